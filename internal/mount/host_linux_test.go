// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

const size = 32 << 20

// newHost returns the real host and an image of size bytes.
func newHost(t *testing.T) (*mount.Linux, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root: loop devices and mounts")
	}
	dir := t.TempDir()
	t.Cleanup(func() { mounttest.Sweep(dir) })
	image := filepath.Join(dir, "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, size))
	return mount.NewLinux(), image
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bind returns the number of the device that shows the image.
func bind(t *testing.T, host *mount.Linux, image string, b mount.Binding) int {
	t.Helper()
	for {
		number, err := host.FreeLoop()
		must(t, err)
		err = host.BindLoop(number, image, size, b)
		if errors.Is(err, mount.ErrLoopTaken) {
			continue // another test of this machine was quicker
		}
		must(t, err)
		return number
	}
}

func TestBindLoop(t *testing.T) {
	host, image := newHost(t)
	file, err := host.Identify(image)
	must(t, err)
	token := strings.Repeat("t", mount.MaxToken)
	number := bind(t, host, image, mount.Binding{Token: token, ReadOnly: true})

	got, err := host.LoopStatus(number)
	must(t, err)
	want := &mount.Binding{Token: token, ReadOnly: true, Direct: true, Inode: file.Inode, Device: file.Device}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := host.BindLoop(number, image, size, mount.Binding{Token: "second"}); !errors.Is(err, mount.ErrLoopTaken) {
		t.Errorf("binding a bound device gave %v", err)
	}
	must(t, host.UnbindLoop(t.Context(), number, "other"))
	if got, err := host.LoopStatus(number); err != nil || got == nil {
		t.Errorf("released under another token: %+v, %v", got, err)
	}
	must(t, host.UnbindLoop(t.Context(), number, token))
	must(t, host.UnbindLoop(t.Context(), number, token))
	if got, err := host.LoopStatus(number); err != nil || got != nil {
		t.Errorf("still bound: %+v, %v", got, err)
	}
}

// TestBindLoopRefuses what is no image.
func TestBindLoopRefuses(t *testing.T) {
	host, image := newHost(t)
	dir := filepath.Dir(image)
	must(t, os.Symlink(image, filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	number, err := host.FreeLoop()
	must(t, err)
	for name, test := range map[string]struct {
		path  string
		size  int64
		token string
		image bool
	}{
		"Link":      {path: filepath.Join(dir, "link"), token: "t"},
		"Pipe":      {path: filepath.Join(dir, "fifo"), token: "t"},
		"Directory": {path: dir, token: "t"},
		"Device":    {path: "/dev/null", token: "t"},
		"Absent":    {path: filepath.Join(dir, "absent"), token: "t"},
		"TooShort":  {path: image, size: size + mount.SectorSize, token: "t", image: true},
		"LongToken": {path: image, size: size, token: strings.Repeat("t", mount.MaxToken+1), image: true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := host.BindLoop(number, test.path, test.size, mount.Binding{Token: test.token}); err == nil {
				t.Error("bound")
			}
			if _, err := host.Identify(test.path); (err == nil) != test.image {
				t.Errorf("identifying: %v", err)
			}
		})
	}
}

// TestUnbindBusy keeps a device that is mounted or open.
func TestUnbindBusy(t *testing.T) {
	host, image := newHost(t)
	number := bind(t, host, image, mount.Binding{Token: "t"})
	device, target := host.LoopPath(number), t.TempDir()
	must(t, host.Format(t.Context(), device, mount.Ext4))
	must(t, host.Mount(device, target, mount.Ext4, nil))
	if err := host.UnbindLoop(t.Context(), number, "t"); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("releasing a mounted device gave %v", err)
	}
	if err := host.Check(t.Context(), device, mount.Ext4, mount.Routine); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("checking a mounted device gave %v", err)
	}
	file, err := os.Create(filepath.Join(target, "file"))
	must(t, err)
	if err := host.Unmount(target); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("unmounting under an open file gave %v", err)
	}
	must(t, file.Close())
	must(t, host.Unmount(target))
	must(t, host.Unmount(target))
	if got, err := host.LoopStatus(number); err != nil || got == nil {
		t.Errorf("the device went away with the mount: %+v, %v", got, err)
	}

	open, err := os.Open(device)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := host.UnbindLoop(ctx, number, "t"); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("releasing an open device gave %v", err)
	}
	must(t, open.Close())
	must(t, host.UnbindLoop(t.Context(), number, "t"))
}

// TestHoldLoop keeps a device that somebody released and somebody else had open.
func TestHoldLoop(t *testing.T) {
	host, image := newHost(t)
	file, err := host.Identify(image)
	must(t, err)
	number := bind(t, host, image, mount.Binding{Token: "t"})
	if _, err := host.HoldLoop(number, "other"); !errors.Is(err, mount.ErrReleased) {
		t.Errorf("holding another device gave %v", err)
	}
	open, err := os.Open(host.LoopPath(number))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := host.UnbindLoop(ctx, number, "t"); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("releasing an open device gave %v", err)
	}
	if got, err := host.LoopStatus(number); err != nil || got == nil || !got.Autoclear {
		t.Errorf("the waiting release is not reported: %+v, %v", got, err)
	}
	letGo, err := host.HoldLoop(number, "t")
	must(t, err)
	must(t, open.Close())
	letGo()
	want := &mount.Binding{Token: "t", Direct: true, Inode: file.Inode, Device: file.Device}
	got, err := host.LoopStatus(number)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	for prefix, want := range map[string][]int{"": {number}, "t": {number}, "other": nil} {
		got, err := host.LoopsOf(file, prefix)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("devices with prefix %q, -want +got:\n%s", prefix, diff)
		}
	}
	must(t, host.UnbindLoop(t.Context(), number, "t"))
	if _, err := host.HoldLoop(number, "t"); !errors.Is(err, mount.ErrReleased) {
		t.Errorf("holding a free device gave %v", err)
	}
}

func TestInspectAndFormat(t *testing.T) {
	for name, test := range map[string]struct {
		offset  int64
		content []byte
		want    mount.Content
	}{
		"Blank":    {0, nil, mount.Content{Blank: true}},
		"Start":    {77, []byte("x"), mount.Content{}},
		"End":      {size - 1, []byte("x"), mount.Content{}},
		"XFSMagic": {0, []byte("XFSB"), mount.Content{}},
		"Swap":     {4086, []byte("SWAPSPACE2"), mount.Content{}},
		"LVM":      {512, append([]byte("LABELONE\x01\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 8)...), mount.Content{}},
	} {
		t.Run(name, func(t *testing.T) {
			host, image := newHost(t)
			f, err := os.OpenFile(image, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt(test.content, test.offset)
			must(t, errors.Join(err, f.Close()))
			number := bind(t, host, image, mount.Binding{Token: "t"})
			device := host.LoopPath(number)

			got, err := host.Inspect(t.Context(), device)
			must(t, err)
			if got.Blank != test.want.Blank {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			err = host.Format(t.Context(), device, mount.Ext4)
			if test.want.Blank {
				must(t, err)
				got, err := host.Inspect(t.Context(), device)
				must(t, err)
				if diff := cmp.Diff(mount.Content{Filesystem: mount.Ext4}, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			if err := host.Format(t.Context(), device, mount.XFS); !errors.Is(err, mount.ErrNotBlank) {
				t.Errorf("formatting over data gave %v", err)
			}
		})
	}
}

// TestBlank empties an image, which keeps its size.
func TestBlank(t *testing.T) {
	host, image := newHost(t)
	must(t, os.WriteFile(image, bytes.Repeat([]byte("x"), size), 0o600))
	must(t, host.Blank(image))
	content, err := os.ReadFile(image)
	must(t, err)
	if !bytes.Equal(content, make([]byte, size)) {
		t.Errorf("%d bytes, not all zero", len(content))
	}
}

// TestCheck repairs what is safe, and tells the rest.
func TestCheck(t *testing.T) {
	host, image := newHost(t)
	number := bind(t, host, image, mount.Binding{Token: "t"})
	device := host.LoopPath(number)
	must(t, host.Format(t.Context(), device, mount.Ext4))
	must(t, host.Check(t.Context(), device, mount.Ext4, mount.Routine))

	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, 2<<20), 4096) // everything behind the superblock
	must(t, errors.Join(err, f.Sync(), f.Close()))
	if err := host.Check(t.Context(), device, mount.Ext4, mount.Routine); !errors.Is(err, mount.ErrUnclean) {
		t.Errorf("checking a damaged file system gave %v", err)
	}
}

// TestGrowUnmounted grows a real device, refuses a mounted one, and mends what an
// interrupted growth leaves: a resize inode that no routine check repairs.
func TestGrowUnmounted(t *testing.T) {
	host, image := newHost(t)
	number := bind(t, host, image, mount.Binding{Token: "t"})
	device, target := host.LoopPath(number), t.TempDir()
	must(t, host.Format(t.Context(), device, mount.Ext4))
	must(t, host.Mount(device, target, mount.Ext4, nil))
	must(t, os.WriteFile(filepath.Join(target, "file"), []byte("content"), 0o600))
	if err := host.GrowUnmounted(t.Context(), device, mount.Ext4); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("growing a mounted device gave %v", err)
	}
	must(t, host.Unmount(target))
	must(t, os.Truncate(image, 2*size))
	must(t, host.ResizeLoop(number, image, 2*size))

	must(t, host.Check(t.Context(), device, mount.Ext4, mount.Thorough))
	for range 2 {
		must(t, host.GrowUnmounted(t.Context(), device, mount.Ext4))
	}
	output, err := exec.CommandContext(t.Context(), "debugfs", "-w", "-R", "set_inode_field <7> block[IND] 3", device).CombinedOutput()
	if err != nil {
		t.Fatalf("debugfs: %v: %s", err, output)
	}
	if err := host.Check(t.Context(), device, mount.Ext4, mount.Thorough); !errors.Is(err, mount.ErrUnclean) {
		t.Errorf("checking a damaged resize inode gave %v", err)
	}
	must(t, host.Check(t.Context(), device, mount.Ext4, mount.Mending))
	must(t, host.Check(t.Context(), device, mount.Ext4, mount.Thorough))
	must(t, host.Mount(device, target, mount.Ext4, nil))
	must(t, host.Grow(t.Context(), device, target, mount.Ext4)) // full: no capability is needed
	content, err := os.ReadFile(filepath.Join(target, "file"))
	if err != nil || string(content) != "content" {
		t.Errorf("the file holds %q, %v", content, err)
	}
	usage, err := host.Usage(target)
	if err != nil || usage.TotalBytes < 2*size*2/3 {
		t.Errorf("usage %+v, %v", usage, err)
	}
	must(t, host.Unmount(target))
	must(t, host.UnbindLoop(t.Context(), number, "t"))
}

// TestCanceled stops a tool with its call.
func TestCanceled(t *testing.T) {
	host, image := newHost(t)
	number := bind(t, host, image, mount.Binding{Token: "t"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := host.Inspect(ctx, host.LoopPath(number)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
