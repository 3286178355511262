// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// TestVolumeLife walks each kind of volume through its whole life on real devices.
func TestVolumeLife(t *testing.T) {
	for name, test := range map[string]struct {
		capability *csi.VolumeCapability
		size       int64
	}{
		"Ext4":  {filesystem(""), 32 << 20},
		"XFS":   {filesystem("xfs"), 300 << 20},
		"Block": {block(), 32 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			n := r.node("node-a", mount.NewLinux())
			v := r.volume(test.capability, test.size)
			v.up(n)
			v.up(n) // again: nothing changes

			if got := sysfs(t, v.loop(n), "queue/logical_block_size"); got != "4096" {
				t.Errorf("sectors of %s bytes", got)
			}
			if got := sysfs(t, v.loop(n), "loop/dio"); got != "1" {
				t.Errorf("no direct I/O: dio is %s", got)
			}
			content := writeRandom(t, v.data())
			wantFull(t, v, test.size)
			wantStats(t, n, v, test.size)

			if v.expand(n, 2*test.size) {
				wantStats(t, n, v, 2*test.size)
			}
			wantContent(t, v.data(), content)
			v.down(n)
			v.up(n)
			wantContent(t, v.data(), content)
			v.down(n)
			_, err := r.controller.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: v.id})
			must(t, err)
		})
	}
}

// TestMove takes a volume from one node to another. Both nodes share this
// machine's devices, as the nodes of a test cluster do.
func TestMove(t *testing.T) {
	for name, c := range map[string]*csi.VolumeCapability{"Ext4": filesystem(""), "Block": block()} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			a, b := r.node("node-a", mount.NewLinux()), r.node("node-b", mount.NewLinux())
			v := r.volume(c, testSize)
			v.up(a)
			content := writeRandom(t, v.data())

			wantError(t, r.grant(v.id, "node-b", c), codes.FailedPrecondition, "node-a")
			must(t, r.revoke(v.id, "node-a"))
			wantError(t, r.grant(v.id, "node-b", c), codes.FailedPrecondition, `"node-a"`)
			wantError(t, r.grant(v.id, "node-b", c), codes.FailedPrecondition, "bring that node back")
			wantCode(t, stage(t.Context(), b, v.id, r.mkdir("staging-b"), c), codes.FailedPrecondition)

			v.down(a)
			v.staging = r.mkdir("staging-b")
			v.up(b)
			wantContent(t, v.data(), content)
			v.down(b)
		})
	}
}

// TestReadOnly checks that read-only is enforced by the kernel.
func TestReadOnly(t *testing.T) {
	for name, test := range map[string]struct {
		stage, publish *csi.VolumeCapability
		readOnly       bool
		want           error
	}{
		"Mode":        {withMode(filesystem(""), reader), withMode(filesystem(""), reader), false, unix.EROFS},
		"ModeOnBlock": {withMode(block(), reader), withMode(block(), reader), false, unix.EPERM},
		"Option":      {filesystem("", "ro"), filesystem("", "ro"), false, unix.EROFS},
		"PublishOnly": {filesystem(""), filesystem(""), true, unix.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t)
			n := r.node("node-a", mount.NewLinux())
			v := r.volume(test.stage, testSize)
			must(t, r.grant(v.id, "node-a", test.stage))
			must(t, stage(t.Context(), n, v.id, v.staging, test.stage))
			for range 2 {
				must(t, publish(t.Context(), n, v.id, v.staging, v.target, test.publish, test.readOnly))
			}
			if info, err := n.host.MountAt(v.staging); err != nil || info != nil && info.ReadOnly == test.readOnly {
				t.Errorf("staged as %+v, %v", info, err)
			}
			f, err := os.OpenFile(v.data(), os.O_CREATE|os.O_WRONLY, 0o600)
			if err == nil {
				_, err = f.Write(make([]byte, 4096))
				err = errors.Join(err, f.Sync(), f.Close())
			}
			if !errors.Is(err, test.want) {
				t.Errorf("writing gave %v, want %v", err, test.want)
			}
			v.down(n)
		})
	}
}

// TestMountOptions looks at what the kernel says.
func TestMountOptions(t *testing.T) {
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(filesystem("", "noatime", "nosuid", "discard"), testSize)
	v.up(n)
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for _, path := range []string{v.staging, v.target} {
		if got, want := mountOptions(string(table), path), "rw,nosuid,noatime rw,discard"; !strings.HasPrefix(got, want) {
			t.Errorf("%q has options %q, want %q", path, got, want)
		}
	}
	wantError(t, stage(t.Context(), n, v.id, v.staging, filesystem("", "noatime")), codes.AlreadyExists, "nosuid")
	v.down(n)
}

// mountOptions returns the options of a mount and of its file system.
func mountOptions(table, path string) string {
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); fields[4] == path {
			return fields[5] + " " + fields[len(fields)-1]
		}
	}
	return ""
}

// TestManyAtOnce attaches volumes concurrently: no device is shared, none is lost.
func TestManyAtOnce(t *testing.T) {
	const volumes = 6
	r := newRealRig(t)
	nodes := []*node{r.node("node-a", mount.NewLinux()), r.node("node-a", mount.NewLinux())}
	failures := make(chan error, volumes)
	all := make([]*volume, 0, volumes)
	for i := range volumes {
		v := r.realVolume("volume-"+strconv.Itoa(i), block())
		all = append(all, v)
		go func() {
			failures <- stage(context.WithoutCancel(t.Context()), nodes[i%2], v.id, v.staging, v.capability)
		}()
	}
	errs := make([]error, 0, volumes)
	for range volumes {
		errs = append(errs, <-failures)
	}
	must(t, errors.Join(errs...))
	numbers := map[int]string{}
	for _, v := range all {
		numbers[v.loop(nodes[0])] = v.id
	}
	if diff := cmp.Diff(volumes, len(numbers)); diff != "" {
		t.Errorf("devices, -want +got:\n%s", diff)
	}
	for _, v := range all {
		must(t, unstage(t.Context(), nodes[0], v.id, v.staging))
	}
}
