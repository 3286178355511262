// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// newCluster returns a cluster whose folders do not exist yet.
func newCluster(t *testing.T) *Cluster {
	t.Helper()
	root := t.TempDir()
	return &Cluster{
		paths: plan.Paths{State: filepath.Join(root, "state")}, pools: filepath.Join(root, "pools"),
		printer: progress.New(io.Discard, time.Minute),
	}
}

// fill makes the folder with a file deep in it.
func fill(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deep", "file"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func there(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// lead makes a marker in dir that leads to the folder of a state.
func lead(t *testing.T, dir, state string) {
	t.Helper()
	if err := os.Symlink(state, filepath.Join(dir, marker)); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveFoldersSparesForeignOnes(t *testing.T) {
	nothing := func(*testing.T, *Cluster) {}
	cases := map[string]struct {
		prepare               func(*testing.T, *Cluster)
		keepPools             bool
		poolsStay, stateStays bool
		withoutState          bool
	}{
		"Own":        {prepare: func(t *testing.T, c *Cluster) { lead(t, c.pools, c.paths.State) }},
		"OwnKept":    {prepare: func(t *testing.T, c *Cluster) { lead(t, c.pools, c.paths.State) }, keepPools: true, poolsStay: true},
		"Foreign":    {prepare: nothing, poolsStay: true},
		"OfAnother":  {prepare: func(t *testing.T, c *Cluster) { lead(t, c.pools, "/another/state") }, poolsStay: true},
		"NoStateOwn": {prepare: func(t *testing.T, c *Cluster) { lead(t, c.pools, c.paths.State) }, withoutState: true},
		"NoState":    {prepare: nothing, withoutState: true, poolsStay: true},
		"MarkerAFile": {prepare: func(t *testing.T, c *Cluster) {
			if err := os.WriteFile(filepath.Join(c.pools, marker), []byte(c.paths.State), 0o600); err != nil {
				t.Fatal(err)
			}
		}, poolsStay: true},
		"ForeignState": {prepare: func(t *testing.T, c *Cluster) {
			if err := os.Remove(filepath.Join(c.paths.State, marker)); err != nil {
				t.Fatal(err)
			}
		}, poolsStay: true, stateStays: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			fill(t, c.pools)
			if !tc.withoutState {
				if err := c.takeState(); err != nil {
					t.Fatal(err)
				}
				fill(t, c.paths.State)
			}
			tc.prepare(t, c)
			if err := c.removeFolders(tc.keepPools); err != nil {
				t.Fatal(err)
			}
			if got := there(t, filepath.Join(c.pools, "deep", "file")); got != tc.poolsStay || there(t, c.pools) != got {
				t.Errorf("the pools are there: %t, want %t", got, tc.poolsStay)
			}
			if got := there(t, filepath.Join(c.paths.State, "deep", "file")); got != tc.stateStays {
				t.Errorf("the state is there: %t, want %t", got, tc.stateStays)
			}
		})
	}
}

func TestRemoveFoldersDoesNotFollowLinks(t *testing.T) {
	c := newCluster(t)
	elsewhere := t.TempDir()
	fill(t, elsewhere)
	lead(t, elsewhere, c.paths.State)
	if err := os.Symlink(elsewhere, c.pools); err != nil {
		t.Fatal(err)
	}
	if err := c.removeFolders(false); err != nil {
		t.Fatal(err)
	}
	if !there(t, filepath.Join(elsewhere, "deep", "file")) || !there(t, c.pools) {
		t.Error("a link in the place of the pools, or what it leads to, was removed")
	}
}

func TestOnlyOwnFoldersAreSearchedAndTold(t *testing.T) {
	c := newCluster(t)
	own := func(want ...string) {
		t.Helper()
		got, err := c.own()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	}
	own(c.paths.State, c.pools) // what was in them may still be attached
	fill(t, c.pools)
	own(c.paths.State)
	if told, err := c.leftFolder(c.pools); err != nil || len(told) > 0 {
		t.Errorf("told as left: %q, %v", told, err)
	}
	lead(t, c.pools, c.paths.State)
	own(c.paths.State, c.pools)
	if told, err := c.leftFolder(c.pools); err != nil || len(told) != 1 {
		t.Errorf("told as left: %q, %v", told, err)
	}
}

func TestPrepareMarksThePoolsThatItHasMade(t *testing.T) {
	for _, created := range []bool{true, false} {
		c := newCluster(t)
		if err := os.Mkdir(c.pools, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := c.takePools(created); err != nil {
			t.Fatal(err)
		}
		if foreign, err := c.foreign(c.pools); err != nil || foreign == created {
			t.Errorf("created: %t, foreign: %t, %v", created, foreign, err)
		}
	}
}

func TestTakeState(t *testing.T) {
	cases := map[string]struct {
		prepare func(t *testing.T, dir string)
		bad     bool
	}{
		"Absent": {prepare: func(*testing.T, string) {}},
		"Empty": {prepare: func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		"Own":     {prepare: func(t *testing.T, dir string) { fill(t, dir); lead(t, dir, dir) }},
		"Foreign": {prepare: fill, bad: true},
		"Link": {prepare: func(t *testing.T, dir string) {
			if err := os.Symlink(t.TempDir(), dir); err != nil {
				t.Fatal(err)
			}
		}, bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			tc.prepare(t, c.paths.State)
			if err := c.takeState(); (err != nil) != tc.bad {
				t.Fatalf("error %v, wanted one: %t", err, tc.bad)
			}
			if foreign, err := c.foreign(c.paths.State); err != nil || foreign != tc.bad {
				t.Errorf("foreign: %t, %v, want %t", foreign, err, tc.bad)
			}
		})
	}
}

func TestLookAllStopsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	found := func() ([]string, error) { return []string{"a"}, nil }
	if got, err := lookAll(found, found); err != nil || !slices.Equal(got, []string{"a", "a"}) {
		t.Errorf("found %q, %v", got, err)
	}
	if got, err := lookAll(found, func() ([]string, error) { return nil, broken }); !errors.Is(err, broken) || got != nil {
		t.Errorf("found %q, %v, want %v", got, err, broken)
	}
}

func TestAbsentListsTheDeepestFirst(t *testing.T) {
	root := t.TempDir()
	there := filepath.Join(root, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(root, "new", "deep")
	got, err := absent([]string{there, deep, filepath.Join(root, "new")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{deep, filepath.Join(root, "new")}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestRemoveEmptySparesWhatIsUsed(t *testing.T) {
	root := t.TempDir()
	empty, used := filepath.Join(root, "empty"), filepath.Join(root, "used")
	for _, dir := range []string{empty, used} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(used, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	removeEmpty([]string{empty, used, filepath.Join(root, "never-made")})
	if _, err := os.Stat(empty); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(used, "file")); err != nil {
		t.Errorf("the file of another program: %v", err)
	}
}
