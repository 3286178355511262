// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCreateTogether: of many processes that create one name, one makes it.
func TestCreateTogether(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 16)
	var together sync.WaitGroup
	for i := range ids {
		s := open(t, dir)
		together.Go(func() {
			v, err := s.CreateVolume(Volume{Object: Object{Name: "same"}})
			if err != nil {
				t.Error(err)
			}
			ids[i] = v.ID
		})
	}
	together.Wait()
	all, err := open(t, dir).Volumes.List()
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("there are %d volumes", len(all))
	}
	for _, id := range ids {
		if id != all[0].ID {
			t.Errorf("somebody got %q, but there is %q", id, all[0].ID)
		}
	}
	wantEmpty(t, filepath.Join(dir, "tmp"))
}

// TestInterrupted goes on where another process was killed.
func TestInterrupted(t *testing.T) {
	s := open(t, t.TempDir())
	claimed, err := s.Volumes.claim("v")
	must(t, err)
	first := create(t, s, "v")
	if first.ID != claimed {
		t.Errorf("got %q, but the name had id %q", first.ID, claimed)
	}
	must(t, os.Remove(s.Volumes.index("v"))) // a deletion that came no further
	second := create(t, s, "v")
	if second.ID == first.ID {
		t.Error("a volume that is being deleted was given out")
	}
	must(t, s.Volumes.Delete(first.ID))
	if again := create(t, s, "v"); again.ID != second.ID {
		t.Errorf("the deletion of %q freed the name of %q", first.ID, second.ID)
	}
	must(t, s.Volumes.Delete(second.ID))
	must(t, s.Volumes.Delete(second.ID))
	wantEmpty(t, s.Volumes.folder)
	wantEmpty(t, s.Volumes.names)
	wantEmpty(t, string(s.scratch))
}

// TestUpdateTogether loses no change.
func TestUpdateTogether(t *testing.T) {
	s := open(t, t.TempDir())
	v := create(t, s, "v")
	var together sync.WaitGroup
	for range 16 {
		together.Go(func() {
			_, err := s.Volumes.Update(v.ID, func(v *Volume) error {
				v.CapacityBytes++
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	refused := errors.New("refused")
	if _, err := s.Volumes.Update(v.ID, func(v *Volume) error { v.CapacityBytes = 0; return refused }); !errors.Is(err, refused) {
		t.Errorf("got error %v", err)
	}
	got, err := s.Volumes.Get(v.ID)
	must(t, err)
	if got.CapacityBytes != 16 {
		t.Errorf("%d changes are left of 16", got.CapacityBytes)
	}
}

func TestPublish(t *testing.T) {
	s := open(t, t.TempDir())
	v := create(t, s, "v")
	for _, node := range []string{"b", "a", "b", "c"} {
		must(t, s.Publish(v.ID, node))
	}
	wantPublished(t, s, v.ID, []string{"a", "b", "c"})
	must(t, s.Unpublish(v.ID, "b"))
	must(t, s.Unpublish(v.ID, "b"))
	wantPublished(t, s, v.ID, []string{"a", "c"})
	must(t, s.Unpublish(v.ID, ""))
	wantPublished(t, s, v.ID, nil)
	must(t, s.Unpublish("no-such-volume", "a"))
}

// TestGroupNeedsAll makes no snapshot if a volume is missing.
func TestGroupNeedsAll(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.CreateGroup("g", []string{create(t, s, "v").ID, "no-such-volume"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v", err)
	}
	wantEmpty(t, s.Snapshots.folder)
	wantEmpty(t, s.Groups.folder)
}

// TestCopy keeps what a file is; the owner needs root.
func TestCopy(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root: owners of files")
	}
	s := open(t, t.TempDir())
	source := create(t, s, "source")
	data := s.DataPath(source.ID)
	must(t, os.Mkdir(filepath.Join(data, "folder"), 0o750))
	must(t, os.WriteFile(filepath.Join(data, "folder", "file"), []byte("content"), 0o600))
	must(t, os.Chmod(filepath.Join(data, "folder", "file"), 0o640|os.ModeSetgid))
	must(t, os.Symlink("folder/file", filepath.Join(data, "link")))
	must(t, os.Lchown(filepath.Join(data, "link"), 7, 8))
	must(t, os.Chown(filepath.Join(data, "folder"), 1000, 2000))
	clone, err := s.CreateVolume(Volume{Object: Object{Name: "clone"}, Source: Source{VolumeID: source.ID}})
	must(t, err)
	want := map[string]file{
		".":           {Mode: os.ModeDir | 0o777},
		"folder":      {Mode: os.ModeDir | 0o750, User: 1000, Group: 2000},
		"folder/file": {Mode: os.ModeSetgid | 0o640, Content: "content"},
		"link":        {Mode: os.ModeSymlink | 0o777, User: 7, Group: 8, Content: "content"},
	}
	if diff := cmp.Diff(want, files(t, s.DataPath(clone.ID))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	listener, err := net.Listen("unix", filepath.Join(data, "socket"))
	must(t, err)
	defer func() { _ = listener.Close() }()
	if _, err := s.CreateSnapshot("s", source.ID, ""); err == nil {
		t.Error("a socket was copied")
	}
	wantEmpty(t, s.Snapshots.folder)
	wantEmpty(t, string(s.scratch))
}

// file is what is looked at of a file.
type file struct {
	Mode        os.FileMode
	User, Group uint32
	Content     string
}

func files(t *testing.T, root string) map[string]file {
	t.Helper()
	found := map[string]file{}
	must(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		must(t, err)
		info, err := os.Lstat(path)
		must(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		f := file{Mode: info.Mode(), User: owner.Uid, Group: owner.Gid}
		if !entry.IsDir() {
			content, err := os.ReadFile(path)
			must(t, err)
			f.Content = string(content)
		}
		name, err := filepath.Rel(root, path)
		must(t, err)
		found[name] = f
		return nil
	}))
	return found
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	must(t, err)
	return s
}

func create(t *testing.T, s *Store, name string) Volume {
	t.Helper()
	v, err := s.CreateVolume(Volume{Object: Object{Name: name}})
	must(t, err)
	return v
}

func wantPublished(t *testing.T, s *Store, id string, want []string) {
	t.Helper()
	got, err := s.Published(id)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published: -want +got:\n%s", diff)
	}
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("%q is not empty: %v", dir, entries)
	}
}

// must fails at once.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
