// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEveryPromiseIsKept fills every image of a full pool on a real, small file
// system to its last byte.
func TestEveryPromiseIsKept(t *testing.T) {
	dir := mountTmpfs(t, "164m")
	p := newPool(t, dir)
	var images []string
	for i := range 100 {
		v, err := p.Create(request(string(rune('a' + i))))
		if errors.Is(err, ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, v.ImagePath)
		fill(t, v.ImagePath, v.CapacityBytes/2)
	}
	if len(images) != 6 {
		t.Errorf("%d volumes of 16 MiB in 100 MiB and the reserve", len(images))
	}
	for _, image := range images {
		fill(t, image, MinCapacity)
	}
}

// TestFullPool writes all that a pool promised to its end and wants everything
// that gives something back to work still.
func TestFullPool(t *testing.T) {
	cases := map[string]func(t *testing.T) string{
		"Tmpfs": func(t *testing.T) string { return mountTmpfs(t, "100m") },
		"XFS":   mountXFS,
	}
	for name, mounted := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, mounted(t))
			id := staged(t, p)
			v := promiseAll(t, p)
			fill(t, v.ImagePath, v.CapacityBytes)
			fill(t, must(p.Get(id))(t).ImagePath, MinCapacity)
			if _, err := p.Create(request("more")); !errors.Is(err, ErrNoSpace) {
				t.Errorf("one more volume: %v", err)
			}
			must(p.MarkFormatted(id, "node-a", first))(t)
			if err := p.RegisterNode("node-b", second); err != nil {
				t.Error(err)
			}
			must(p.Grant(v.ID, "node-b", false))(t)
			for _, err := range []error{p.Revoke(v.ID, ""), p.Unstage(id, "node-a", first), p.Revoke(id, ""), p.Delete(id), p.Delete(v.ID)} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// promiseAll returns a volume of all that is left, to the last block.
func promiseAll(t *testing.T, p *Pool) Volume {
	t.Helper()
	v := must(p.Create(CreateRequest{Name: "rest", CapacityBytes: MinCapacity, AccessType: Block}))(t)
	for size := v.CapacityBytes + must(p.available())(t)/SectorSize*SectorSize; ; size -= SectorSize {
		v, err := p.Resize(v.ID, size)
		if err == nil {
			return v
		}
		if !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
	}
}

// mountTmpfs returns a file system in memory of its own.
func mountTmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := memoryDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mounting a small file system needs root: %v", err)
	}
	unmountLater(t, dir)
	return dir
}

// mountXFS returns the smallest XFS that there is.
func mountXFS(t *testing.T) string {
	t.Helper()
	dir := memoryDir(t)
	image := filepath.Join(dir, "image")
	f := must(os.Create(image))(t)
	if err := errors.Join(f.Truncate(MinXFSCapacity), f.Close()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.xfs", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("making an XFS: %v: %s", err, out)
	}
	mounted := filepath.Join(dir, "mounted")
	place(t, mounted, true)
	if out, err := exec.Command("mount", "-o", "loop", image, mounted).CombinedOutput(); err != nil {
		t.Skipf("mounting an XFS: %v: %s", err, out)
	}
	unmountLater(t, mounted)
	return mounted
}

func unmountLater(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func fill(t *testing.T, path string, size int64) {
	t.Helper()
	f := must(os.OpenFile(path, os.O_WRONLY, 0))(t)
	defer f.Close()
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Errorf("writing into a promised image: %v", err)
	}
}

// TestGrowNeverShrinks grows a file that is larger already, by both ways.
func TestGrowNeverShrinks(t *testing.T) {
	ways := map[string]func(*os.File, int64) error{"Allocation": grow, "Lock": growLocked}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			f := must(os.Create(filepath.Join(t.TempDir(), "image")))(t)
			defer f.Close()
			data := make([]byte, 3*SectorSize)
			data[len(data)-1] = 'x'
			if _, err := f.Write(data); err != nil {
				t.Fatal(err)
			}
			for _, tc := range []struct{ size, want int64 }{{SectorSize, 3 * SectorSize}, {3 * SectorSize, 3 * SectorSize}, {MinCapacity, MinCapacity}} {
				if err := way(f, tc.size); err != nil {
					t.Fatal(err)
				}
				if got := must(f.Stat())(t).Size(); got != tc.want {
					t.Errorf("%d bytes after growing to %d, want %d", got, tc.size, tc.want)
				}
			}
			last := make([]byte, 1)
			if _, err := f.ReadAt(last, 3*SectorSize-1); err != nil || last[0] != 'x' {
				t.Errorf("last byte %q, %v", last, err)
			}
		})
	}
}

// TestOnlyRealDirectories follows no link below the pool's directory, wherever
// it leads, in any call.
func TestOnlyRealDirectories(t *testing.T) {
	dir := t.TempDir()
	outside, inside := filepath.Join(dir, "outside"), filepath.Join(dir, "pool")
	place(t, outside, true)
	place(t, filepath.Join(outside, "file"), false)
	place(t, filepath.Join(inside, "real"), true)
	place(t, filepath.Join(inside, "file"), false)
	for link, target := range map[string]string{"away": outside, "near": "real", "link": filepath.Join(outside, "file")} {
		if err := os.Symlink(target, filepath.Join(inside, link)); err != nil {
			t.Fatal(err)
		}
	}
	d := must(openDirectory(inside))(t)
	defer d.Close()
	calls := map[string]func(sub string) error{
		"ReadDir":    func(sub string) error { _, err := d.ReadDir(sub); return err },
		"ReadFile":   func(sub string) error { _, err := d.ReadFile(sub + "/file"); return err },
		"Lstat":      func(sub string) error { _, err := d.Lstat(sub + "/file"); return err },
		"Mkdir":      func(sub string) error { return d.Mkdir(sub + "/new") },
		"WriteNew":   func(sub string) error { return d.WriteNew(sub+"/new", nil) },
		"MakeSparse": func(sub string) error { return d.MakeSparse(sub+"/new", 1) },
		"Grow":       func(sub string) error { return d.Grow(sub+"/file", SectorSize) },
		"LinkFrom":   func(sub string) error { return d.Link(sub+"/file", "new") },
		"LinkTo":     func(sub string) error { return d.Link("file", sub+"/new") },
		"RenameFrom": func(sub string) error { return d.Rename(sub+"/file", "new") },
		"RenameTo":   func(sub string) error { return d.Rename("file", sub+"/new") },
		"Remove":     func(sub string) error { return d.Remove(sub + "/file") },
		"RemoveDir":  func(sub string) error { return d.RemoveDir(sub + "/file") },
		"Sync":       func(sub string) error { return d.Sync(sub) },
	}
	for name, call := range calls {
		for _, sub := range []string{"away", "near", "file"} {
			if err := call(sub); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s through %q: %v", name, sub, err)
			}
		}
	}
	for name, err := range map[string]error{
		"ReadFile": func() error { _, err := d.ReadFile("link"); return err }(),
		"Grow":     d.Grow("link", SectorSize),
	} {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s of a link: %v", name, err)
		}
	}
	for _, err := range []error{d.WriteNew("link", nil), d.MakeSparse("link", 1)} {
		if !errors.Is(err, os.ErrExist) {
			t.Errorf("creating over a link: %v", err)
		}
	}
	if got := must(os.ReadDir(outside))(t); len(got) != 1 {
		t.Errorf("outside holds %v", got)
	}
}
