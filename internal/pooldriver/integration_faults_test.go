// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// TestForeignContent never formats what is not provably blank, and gives such a
// volume free for other nodes.
func TestForeignContent(t *testing.T) {
	for name, test := range map[string]struct {
		write func(t *testing.T, image string)
		size  int64
		text  string
	}{
		"XFS": {func(t *testing.T, image string) { runTool(t, "mkfs.xfs", "-q", image) }, 300 << 20, "xfs"},
		"PartitionTable": {func(t *testing.T, image string) {
			writeAt(t, image, 510, []byte{0x55, 0xaa})
			writeAt(t, image, 446, partition())
		}, testSize,
			"partition table"},
		"LastMiB":    {func(t *testing.T, image string) { writeAt(t, image, testSize-512, []byte("x")) }, testSize, "not blank"},
		"FirstMiB":   {func(t *testing.T, image string) { writeAt(t, image, 9999, []byte("x")) }, testSize, "not blank"},
		"BrokenExt4": {func(t *testing.T, image string) { writeAt(t, image, 1024+56, []byte{0x53, 0xef}) }, testSize, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			n := r.node("node-a", mount.NewLinux())
			r.node("node-b", mount.NewLinux())
			v := r.volume(filesystem(""), test.size)
			test.write(t, r.image(v.id))
			before, err := os.ReadFile(r.image(v.id))
			must(t, err)

			must(t, r.grant(v.id, "node-a", v.capability))
			wantError(t, stage(t.Context(), n, v.id, v.staging, v.capability), codes.FailedPrecondition, test.text)
			after, err := os.ReadFile(r.image(v.id))
			must(t, err)
			if !bytes.Equal(before, after) {
				t.Error("the image was changed")
			}
			must(t, r.revoke(v.id, "node-a"))
			must(t, r.grant(v.id, "node-b", v.capability))
		})
	}
}

func runTool(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, output)
	}
}

func writeAt(t *testing.T, path string, offset int64, content []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(content, offset)
	must(t, errors.Join(err, f.Close()))
}

// partition is one entry of a DOS partition table.
func partition() []byte {
	return []byte{0, 0, 2, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0, 0}
}

// TestRealCrash is TestCrash with real devices and mounts.
func TestRealCrash(t *testing.T) {
	for name, after := range map[string]bool{"BeforeEffect": false, "AfterEffect": true} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			crashing := mounttest.NewCrashing(mount.NewLinux())
			n := r.node("node-a", crashing)
			for k, happened := 1, true; happened; k++ {
				if k > maxCalls {
					t.Fatal("never ends")
				}
				v := r.realVolume("stage-"+strconv.Itoa(k), filesystem(""))
				crashing.CrashAt(k, after)
				_ = stage(t.Context(), n, v.id, v.staging, v.capability)
				stageCrashed := crashing.Restart()
				v.up(n)
				content := writeRandom(t, v.data())

				must(t, unpublish(t.Context(), n, v.id, v.target))
				crashing.CrashAt(k, after)
				_ = unstage(t.Context(), n, v.id, v.staging)
				happened = crashing.Restart() || stageCrashed
				v.up(n)
				wantContent(t, v.data(), content)
				v.down(n)
			}
		})
	}
}

func (r *rig) realVolume(name string, c *csi.VolumeCapability) *volume {
	r.t.Helper()
	id := r.create(name, c)
	must(r.t, r.grant(id, "node-a", c))
	return &volume{rig: r, capability: c, id: id, staging: r.mkdir(name), target: filepath.Join(r.mkdir("pod"), name)}
}

// TestStolenNumber lets somebody else take the number of a device that is gone,
// as after a reboot or on a machine that several nodes share: with another image,
// and with this one.
func TestStolenNumber(t *testing.T) {
	for name, sameImage := range map[string]bool{"OtherImage": false, "SameImage": true} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			host := mount.NewLinux()
			n := r.node("node-a", host)
			v := r.volume(filesystem(""), testSize)
			v.up(n)
			number := v.loop(n)
			must(t, host.Unmount(v.target))
			must(t, host.Unmount(v.staging))
			must(t, host.UnbindLoop(t.Context(), number, n.tokenOf(t, v.id)))
			image := r.image(v.id)
			if !sameImage {
				image = r.image(r.create("other", block()))
			}
			must(t, host.BindLoop(number, image, testSize, mount.Binding{Token: "somebody else"}))

			v.up(n)
			if v.loop(n) == number {
				t.Error("took over a foreign device")
			}
			v.down(n)
			binding, err := host.LoopStatus(number)
			must(t, err)
			if binding == nil || binding.Token != "somebody else" {
				t.Errorf("the foreign device is gone: %v", binding)
			}
			must(t, host.UnbindLoop(t.Context(), number, "somebody else"))
		})
	}
}

// TestForeignMounts leaves alone what others mounted.
func TestForeignMounts(t *testing.T) {
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(filesystem(""), testSize)
	must(t, r.grant(v.id, "node-a", v.capability))
	must(t, os.Mkdir(v.target, 0o750))
	for _, path := range []string{v.staging, v.target} {
		must(t, unix.Mount("tmpfs", path, "tmpfs", 0, ""))
		t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	}
	wantError(t, stage(t.Context(), n, v.id, v.staging, v.capability), codes.FailedPrecondition, "tmpfs")
	wantError(t, unstage(t.Context(), n, v.id, v.staging), codes.FailedPrecondition, "tmpfs")
	must(t, unix.Unmount(v.staging, 0))
	must(t, stage(t.Context(), n, v.id, v.staging, v.capability))
	wantError(t, publish(t.Context(), n, v.id, v.staging, v.target, v.capability, false), codes.AlreadyExists, "tmpfs")
	wantError(t, unpublish(t.Context(), n, v.id, v.target), codes.FailedPrecondition, "tmpfs")
	must(t, unix.Unmount(v.target, 0))
	v.down(n)
}

// TestErrorsOnDisk lets the kernel find an error, which makes the file system
// read-only: staging again checks and repairs it.
func TestErrorsOnDisk(t *testing.T) {
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(filesystem(""), testSize)
	v.up(n)
	content := writeRandom(t, v.data())
	must(t, unpublish(t.Context(), n, v.id, v.target))
	must(t, os.WriteFile(fmt.Sprintf("/sys/fs/ext4/loop%d/trigger_fs_error", v.loop(n)), []byte("test"), 0))

	wantCode(t, publish(t.Context(), n, v.id, v.staging, v.target, v.capability, false), codes.FailedPrecondition)
	v.up(n)
	wantContent(t, v.data(), content)
	writeRandom(t, v.data())
	v.down(n)
}

// TestLostRecord finds a volume again by the mount at its own staging path.
func TestLostRecord(t *testing.T) {
	for name, again := range map[string]bool{"Unstage": false, "StageFirst": true} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			n := r.node("node-a", mount.NewLinux())
			v := r.volume(filesystem("", "noatime"), testSize)
			v.up(n)
			must(t, unpublish(t.Context(), n, v.id, v.target))
			must(t, os.Remove(n.records.path(v.id)))
			if again {
				v.up(n)
			}
			v.down(n)
		})
	}
}

// TestBusy does not let go of what is in use.
func TestBusy(t *testing.T) {
	for name, c := range map[string]*csi.VolumeCapability{"Ext4": filesystem(""), "Block": block()} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			n := r.node("node-a", mount.NewLinux())
			v := r.volume(c, testSize)
			v.up(n)
			wantError(t, unstage(t.Context(), n, v.id, v.staging), codes.FailedPrecondition, v.target)
			file := v.data()
			if c.GetBlock() != nil {
				file = n.host.LoopPath(v.loop(n))
			}
			f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
			must(t, err)
			if c.GetBlock() != nil {
				must(t, unpublish(t.Context(), n, v.id, v.target))
				short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				wantError(t, unstage(short, n, v.id, v.staging), codes.FailedPrecondition, "in use")
			} else {
				wantError(t, unpublish(t.Context(), n, v.id, v.target), codes.FailedPrecondition, "in use")
			}
			must(t, r.revoke(v.id, "node-a"))
			r.node("node-b", mount.NewLinux())
			wantCode(t, r.grant(v.id, "node-b", c), codes.FailedPrecondition)
			must(t, f.Close())
			v.down(n)
		})
	}
}

// TestLostStart never formats a volume over data whose start is gone.
func TestLostStart(t *testing.T) {
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(filesystem(""), testSize)
	v.up(n)
	v.down(n)
	for _, offset := range []int64{0, testSize - 1<<20} {
		writeAt(t, r.image(v.id), offset, make([]byte, 1<<20))
	}
	must(t, r.grant(v.id, "node-a", v.capability))
	wantError(t, stage(t.Context(), n, v.id, v.staging, v.capability), codes.FailedPrecondition, "e2fsck")
}

// TestLostBlockRecord keeps a raw block volume that a pod has.
func TestLostBlockRecord(t *testing.T) {
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(block(), testSize)
	v.up(n)
	must(t, os.Remove(n.records.path(v.id)))
	wantError(t, unstage(t.Context(), n, v.id, v.staging), codes.FailedPrecondition, v.target)
	v.down(n)
}

// TestAutoclear stages again what somebody had open when it was unstaged.
func TestAutoclear(t *testing.T) {
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(block(), testSize)
	v.up(n)
	must(t, unpublish(t.Context(), n, v.id, v.target))
	number := v.loop(n)
	f, err := os.Open(n.host.LoopPath(number))
	must(t, err)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantError(t, unstage(short, n, v.id, v.staging), codes.FailedPrecondition, "in use")
	v.up(n)
	must(t, f.Close())
	if got := sysfs(t, number, "loop/autoclear"); got != "0" {
		t.Errorf("autoclear is %s", got)
	}
	content := writeRandom(t, v.data())
	wantContent(t, v.data(), content)
	v.down(n)
}
