// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestInitFinishesDeletions interrupts a deletion that nobody repeats.
func TestInitFinishesDeletions(t *testing.T) {
	base := memoryDir(t)
	fail := func() error { return errFault }
	for k, fired := 1, true; fired; k++ {
		dir := filepath.Join(base, fmt.Sprint(k))
		place(t, dir, true)
		p := newPool(t, dir)
		id := existing(t, p)
		s := &script{at: k, before: fail, dies: true}
		err := (&Pool{path: dir, driver: testDriver, uuid: p.uuid, env: scripted(s)}).Delete(id)
		fired = s.fired()
		p = must(Init(dir, testDriver))(t)
		left := must(os.ReadDir(filepath.Join(dir, volumesDir)))(t)
		if _, getErr := p.Get(id); getErr != nil && len(left) > 0 {
			t.Fatalf("call %d: deleting: %v; getting: %v; left: %v", k, err, getErr, left)
		}
	}
}

// TestInitRemovesNameless is a volume that was never finished and whose name is
// gone or another volume's.
func TestInitRemovesNameless(t *testing.T) {
	dir := memoryDir(t)
	p := newPool(t, dir)
	for k := 1; ; k++ {
		s := &script{at: k, before: func() error { return errFault }, dies: true}
		if err := create(&Pool{path: dir, driver: testDriver, uuid: p.uuid, env: scripted(s)}, ""); err == nil {
			t.Fatal("created before there was anything to remove")
		}
		if _, err := os.Lstat(filepath.Join(dir, claimFile("new"))); err == nil && len(must(os.ReadDir(filepath.Join(dir, volumesDir)))(t)) > 0 {
			ids := must(os.ReadDir(filepath.Join(dir, volumesDir)))(t)
			if _, err := os.Lstat(filepath.Join(dir, stateFile(ids[0].Name(), 1))); err == nil {
				break
			}
		}
	}
	must(Init(dir, testDriver))(t)
	if left := must(os.ReadDir(filepath.Join(dir, volumesDir)))(t); len(left) != 1 {
		t.Fatalf("a creation that can be resumed is gone: %v", left)
	}
	if err := os.Remove(filepath.Join(dir, claimFile("new"))); err != nil {
		t.Fatal(err)
	}
	must(Init(dir, testDriver))(t)
	if left := must(os.ReadDir(filepath.Join(dir, volumesDir)))(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestSweepAbandonsCreations stops a creation at each of its calls and lets
// nobody ask for the volume again.
func TestSweepAbandonsCreations(t *testing.T) {
	base := memoryDir(t)
	for k, fired := 1, true; fired; k++ {
		dir := filepath.Join(base, fmt.Sprint(k))
		place(t, dir, true)
		p := newPool(t, dir)
		s := &script{at: k, before: func() error { return errFault }, dies: true}
		err := create(&Pool{path: dir, driver: testDriver, uuid: p.uuid, env: scripted(s)}, "")
		fired = s.fired()
		want := len(must(p.list())(t))
		claims := entries(t, dir, namesDir)
		if sweepErr := p.Sweep(); sweepErr != nil || entries(t, dir, namesDir) != claims {
			t.Fatalf("call %d: %v; %d names, %d before the sweep, %v", k, err, entries(t, dir, namesDir), claims, sweepErr)
		}
		if err := sweepLate(p, ""); err != nil {
			t.Fatalf("call %d: %v", k, err)
		}
		for sub, want := range map[string]int{tmpDir: 0, volumesDir: want, namesDir: want} {
			if got := entries(t, dir, sub); got != want {
				t.Fatalf("call %d: %v: %s has %d entries, want %d", k, err, sub, got, want)
			}
		}
	}
}

func entries(t *testing.T, dir, sub string) int {
	t.Helper()
	return len(must(os.ReadDir(filepath.Join(dir, sub)))(t))
}

// TestSweepTakesReservationsBack is an expansion that was interrupted and that
// nobody repeats.
func TestSweepTakesReservationsBack(t *testing.T) {
	p := newPool(t, memoryDir(t))
	p.env = fixed(2*MinCapacity, system())
	abandoned(t, p)
	if _, err := p.Create(request("other")); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("creating beside the reservation: %v", err)
	}
	if err := p.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Create(request("other")); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("a sweep took a fresh reservation: %v", err)
	}
	if err := sweepLate(p, ""); err != nil {
		t.Fatal(err)
	}
	must(p.Create(request("other")))(t)
}

func sweep(p *Pool, _ string) error { return p.Sweep() }

// sweepLate sweeps when everything is stale.
func sweepLate(p *Pool, _ string) error {
	late := *p
	late.env.now = later().now
	return late.Sweep()
}

// abandoned is a volume whose expansion to far more than there is was
// interrupted.
func abandoned(t *testing.T, p *Pool) string {
	t.Helper()
	id := existing(t, p)
	s := must(p.enter())(t)
	defer s.close()
	must(s.change(id, func(st *state) (bool, error) {
		st.ReservedBytes = MaxCapacity
		return true, nil
	}))(t)
	return id
}

// claimed is a name that was claimed long ago for a volume that was never made.
func claimed(t *testing.T, p *Pool) string {
	t.Helper()
	s := must(p.enter())(t)
	defer s.close()
	id := must(s.claim("new", newUUID()))(t)
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(filepath.Join(p.path, claimFile("new")), old, old); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestInitKeepsFreshTemporaries, as somebody may be about to link them.
func TestInitKeepsFreshTemporaries(t *testing.T) {
	dir := memoryDir(t)
	newPool(t, dir)
	for _, tc := range []struct {
		stale, fresh string
		directory    bool
	}{{temporary("state"), temporary("state"), false}, {volumeDir("stale"), volumeDir("fresh"), true}} {
		stale, fresh := filepath.Join(dir, tc.stale), filepath.Join(dir, tc.fresh)
		place(t, stale, tc.directory)
		place(t, fresh, tc.directory)
		old := time.Now().Add(-2 * staleAfter)
		if err := os.Chtimes(stale, old, old); err != nil {
			t.Fatal(err)
		}
		must(Init(dir, testDriver))(t)
		if _, err := os.Lstat(stale); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stale %s: %v", tc.stale, err)
		}
		if _, err := os.Lstat(fresh); err != nil {
			t.Errorf("fresh %s: %v", tc.fresh, err)
		}
	}
}

// repeatingFS is NFS after a lost reply: the client sends the request again,
// and hears that it cannot be done, because it was done.
type repeatingFS struct{ fsys }

func (f *repeatingFS) Link(oldName, newName string) error {
	if err := f.fsys.Link(oldName, newName); err != nil {
		return err
	}
	return &fs.PathError{Op: "link", Path: newName, Err: syscall.EEXIST}
}

func (f *repeatingFS) Rename(oldName, newName string) error {
	if err := f.fsys.Rename(oldName, newName); err != nil {
		return err
	}
	return &fs.PathError{Op: "rename", Path: oldName, Err: syscall.ENOENT}
}

func TestLinkExclusive(t *testing.T) {
	dir := memoryDir(t)
	for _, name := range []string{"first", "second"} {
		place(t, filepath.Join(dir, name), false)
	}
	s := &store{fs: &repeatingFS{must(openDirectory(dir))(t)}, path: dir}
	defer s.close()
	for _, tc := range []struct {
		file string
		want bool
	}{{"first", true}, {"second", false}} {
		if won := must(s.linkExclusive(tc.file, "name"))(t); won != tc.want {
			t.Errorf("linking the %s file: %t, want %t", tc.file, won, tc.want)
		}
	}
	if won, err := s.linkExclusive("second", "absent/name"); won || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("linking into no directory: %t, %v", won, err)
	}
}

func TestRepeatedRequests(t *testing.T) {
	for name, op := range steps() {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			p, id := &Pool{path: dir, driver: testDriver}, ""
			if !op.blank {
				p = newPool(t, dir)
				id = op.prepare(t, p)
			}
			p.env = system()
			p.env.open = func(path string) (fsys, error) {
				f, err := openDirectory(path)
				return &repeatingFS{f}, err
			}
			if err := op.run(p, id); err != nil {
				t.Fatal(err)
			}
			again(t, "repeated requests", dir, op, id)
		})
	}
}
