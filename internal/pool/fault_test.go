// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

const testDriver = "pool.example.com"

// The instances of the nodes: all start as the first.
const first, second = "instance-1", "instance-2"

var errFault = errors.New("injected fault")

// script tells what happens at one call on the file system. Calls are counted
// from 1 over all directories opened with it.
type script struct {
	at     int
	before func() error // instead of the call, if it returns an error
	after  func() error // after the call
	torn   bool         // a file written by the call keeps half its content
	dies   bool         // all later calls fail as well
	// retried: the operation is done again after that, before any power cut.
	retried bool

	calls int
	dead  bool
	undo  []undo
	trash string // where removed files wait for a power cut
}

// undo takes back one change of directories that was not synced yet.
type undo struct {
	dirs []string
	back func() error
}

func (s *script) fired() bool { return s.calls >= s.at }

// run makes one call, or what the script says.
func (s *script) run(call func() error, torn func() error) error {
	s.calls++
	now := s.calls == s.at
	if s.dead {
		return errFault
	}
	if now && s.dies {
		s.dead = true
	}
	if now && s.torn && torn != nil {
		return errors.Join(errFault, torn())
	}
	if now && s.before != nil {
		if err := s.before(); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if now && s.after != nil {
		return s.after()
	}
	return nil
}

func (s *script) remember(back func() error, dirs ...string) {
	s.undo = append(s.undo, undo{dirs: dirs, back: back})
}

func (s *script) synced(dir string) {
	for i := range s.undo {
		s.undo[i].dirs = slices.DeleteFunc(slices.Clone(s.undo[i].dirs), func(d string) bool { return d == dir })
	}
	s.undo = slices.DeleteFunc(s.undo, func(u undo) bool { return len(u.dirs) == 0 })
}

// cutPower loses every change of a directory that was not synced. A file of a
// directory that has moved since does not come back.
func (s *script) cutPower(t *testing.T) {
	t.Helper()
	for _, u := range slices.Backward(s.undo) {
		if err := u.back(); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("cutting power: %v", err)
		}
	}
	s.undo = nil
}

// scriptedFS is the real file system under a script.
type scriptedFS struct {
	fsys
	root string
	s    *script
}

// scripted returns the environment of a process that meets the script.
func scripted(s *script) environment {
	env := system()
	env.open = func(path string) (fsys, error) {
		var inner fsys
		err := s.run(func() (err error) { inner, err = openDirectory(path); return err }, nil)
		if err != nil {
			return nil, err
		}
		return &scriptedFS{fsys: inner, root: path, s: s}, nil
	}
	return env
}

func (f *scriptedFS) abs(name string) string { return filepath.Join(f.root, name) }

func (f *scriptedFS) ReadDir(dir string) (names []string, err error) {
	err = f.s.run(func() (err error) { names, err = f.fsys.ReadDir(dir); return err }, nil)
	return names, err
}

func (f *scriptedFS) ReadFile(name string) (data []byte, err error) {
	err = f.s.run(func() (err error) { data, err = f.fsys.ReadFile(name); return err }, nil)
	return data, err
}

func (f *scriptedFS) Lstat(name string) (info fileInfo, err error) {
	err = f.s.run(func() (err error) { info, err = f.fsys.Lstat(name); return err }, nil)
	return info, err
}

func (f *scriptedFS) Space() (free, size int64, err error) {
	err = f.s.run(func() (err error) { free, size, err = f.fsys.Space(); return err }, nil)
	return free, size, err
}

func (f *scriptedFS) Mkdir(name string) error {
	return f.s.run(func() error {
		err := f.fsys.Mkdir(name)
		if err == nil {
			f.s.remember(func() error { return os.RemoveAll(f.abs(name)) }, path.Dir(name))
		}
		return err
	}, nil)
}

func (f *scriptedFS) WriteNew(name string, data []byte) error {
	write := func(data []byte) error {
		err := f.fsys.WriteNew(name, data)
		if err == nil {
			f.s.remember(func() error { return os.Remove(f.abs(name)) }, path.Dir(name))
		}
		return err
	}
	return f.s.run(func() error { return write(data) }, func() error { return write(data[:len(data)/2]) })
}

func (f *scriptedFS) MakeSparse(name string, size int64) error {
	fill := func(size int64) error {
		err := f.fsys.MakeSparse(name, size)
		if err == nil {
			f.s.remember(func() error { return os.Remove(f.abs(name)) }, path.Dir(name))
		}
		return err
	}
	return f.s.run(func() error { return fill(size) }, func() error { return fill(0) })
}

func (f *scriptedFS) Grow(name string, size int64) error {
	return f.s.run(func() error { return f.fsys.Grow(name, size) }, nil)
}

func (f *scriptedFS) Link(oldName, newName string) error {
	return f.s.run(func() error {
		err := f.fsys.Link(oldName, newName)
		if err == nil {
			f.s.remember(func() error { return os.Remove(f.abs(newName)) }, path.Dir(newName))
		}
		return err
	}, nil)
}

// Rename keeps a file that it replaces, if the script has a place for it.
func (f *scriptedFS) Rename(oldName, newName string) error {
	return f.s.run(func() error {
		var kept string
		if info, err := os.Lstat(f.abs(newName)); err == nil && info.Mode().IsRegular() && f.s.trash != "" {
			kept = filepath.Join(f.s.trash, strconv.Itoa(f.s.calls))
			if err := os.Link(f.abs(newName), kept); err != nil {
				return err
			}
		}
		err := f.fsys.Rename(oldName, newName)
		if err == nil {
			f.s.remember(func() error {
				err := os.Rename(f.abs(newName), f.abs(oldName))
				if err == nil && kept != "" {
					err = os.Rename(kept, f.abs(newName))
				}
				return err
			}, path.Dir(oldName), path.Dir(newName))
		}
		return err
	}, nil)
}

// Remove keeps what it removes, if the script has a place for it.
func (f *scriptedFS) Remove(name string) error {
	return f.s.run(func() error {
		if f.s.trash == "" {
			return f.fsys.Remove(name)
		}
		kept := filepath.Join(f.s.trash, strconv.Itoa(f.s.calls))
		err := os.Rename(f.abs(name), kept)
		if err == nil {
			f.s.remember(func() error { return os.Rename(kept, f.abs(name)) }, path.Dir(name))
		}
		return err
	}, nil)
}

func (f *scriptedFS) RemoveDir(name string) error {
	return f.s.run(func() error {
		err := f.fsys.RemoveDir(name)
		if err == nil {
			f.s.remember(func() error { return os.Mkdir(f.abs(name), privateDir) }, path.Dir(name))
		}
		return err
	}, nil)
}

func (f *scriptedFS) Sync(dir string) error {
	return f.s.run(func() error {
		err := f.fsys.Sync(dir)
		if err == nil {
			f.s.synced(dir)
		}
		return err
	}, nil)
}

// memoryDir is a directory in memory where the machine has one, as these tests
// sync some hundred thousand times.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pool-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// newPool makes a pool with two registered nodes in an empty directory.
func newPool(t *testing.T, dir string) *Pool {
	t.Helper()
	p := must(Init(dir, testDriver))(t)
	for _, node := range []string{"node-a", "node-b"} {
		if err := p.RegisterNode(node, first); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// later is the clock of a process for which every temporary file is stale.
func later() environment {
	env := system()
	env.now = func() time.Time { return time.Now().Add(2 * staleAfter) }
	return env
}

// must unpacks a result that a test cannot do without.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func request(name string) CreateRequest {
	return CreateRequest{Name: name, CapacityBytes: MinCapacity, AccessType: Filesystem, FSType: Ext4}
}
