// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// TestLostRecordInUse loses the record of a volume that a pod has, and that no mount
// at the staging path betrays: another node must not get it before the pod ends.
func TestLostRecordInUse(t *testing.T) {
	for name, test := range map[string]struct {
		capability *csi.VolumeCapability
		restage    bool
	}{
		"Block":               {block(), false},
		"BlockStagedAgain":    {block(), true},
		"StagingMountIsGone":  {filesystem(""), false},
		"ReadOnlyBlock":       {withMode(block(), reader), false},
		"ReadOnlyBlockStaged": {withMode(block(), reader), true},
	} {
		t.Run(name, func(t *testing.T) {
			r, host, c := newRig(t), mounttest.New(), test.capability
			n, id, path := r.staged(host, c)
			target := filepath.Join(r.mkdir("pod"), "target")
			must(t, publish(t.Context(), n, id, path, target, c, false))
			must(t, host.Unmount(path))
			must(t, n.records.remove(id))

			if test.restage {
				must(t, stage(t.Context(), n, id, path, c))
				if bound := host.Bound(); len(bound) != 1 {
					t.Errorf("attached twice: %q", bound)
				}
			}
			wantError(t, unstage(t.Context(), n, id, path), codes.FailedPrecondition, target)
			r.node("node-b", mounttest.New())
			must(t, r.revoke(id, "node-a"))
			wantCode(t, r.grant(id, "node-b", c), codes.FailedPrecondition)

			must(t, unpublish(t.Context(), n, id, target))
			must(t, unstage(t.Context(), n, id, path))
			if bound := host.Bound(); len(bound) > 0 {
				t.Errorf("still bound: %q", bound)
			}
			must(t, r.grant(id, "node-b", c))
		})
	}
}

// TestLostTwice has two devices of one image: the marker goes with the last one.
func TestLostTwice(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, path := r.staged(host, block())
	must(t, host.BindLoop(7, r.image(id), testSize, mount.Binding{Token: n.token()}))
	must(t, n.records.remove(id))
	wantError(t, unstage(t.Context(), n, id, path), codes.FailedPrecondition, "loop device 7")
	must(t, unstage(t.Context(), n, id, path))
	if bound := host.Bound(); len(bound) > 0 {
		t.Errorf("still bound: %q", bound)
	}
}

// TestLostRecordOfOther leaves the device of another node on this machine alone.
func TestLostRecordOfOther(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, path := r.staged(host, block())
	must(t, unstage(t.Context(), n, id, path))
	must(t, stage(t.Context(), n, id, path, block()))
	must(t, host.UnbindLoop(t.Context(), 0, n.tokenOf(t, id)))
	must(t, host.BindLoop(0, r.image(id), testSize, mount.Binding{Token: r.node("node-b", host).token()}))
	must(t, n.records.remove(id))
	must(t, unstage(t.Context(), n, id, path))
	if bound := host.Bound(); len(bound) != 1 {
		t.Errorf("bound %q, want the device of the other node", bound)
	}
}

// TestWaitingRelease stages a device that the kernel is about to release, because
// somebody else had it open when it was unstaged.
func TestWaitingRelease(t *testing.T) {
	for name, c := range map[string]*csi.VolumeCapability{"Block": block(), "Ext4": filesystem("")} {
		t.Run(name, func(t *testing.T) {
			r, host := newRig(t), mounttest.New()
			n, id, path := r.staged(host, c)
			closeIt := host.Open(0)
			wantCode(t, unstage(t.Context(), n, id, path), codes.FailedPrecondition)
			if binding, err := host.LoopStatus(0); err != nil || binding == nil || !binding.Autoclear {
				t.Fatalf("bound %+v, %v", binding, err)
			}
			must(t, stage(t.Context(), n, id, path, c))
			closeIt()
			target := filepath.Join(r.mkdir("pod"), "target")
			must(t, publish(t.Context(), n, id, path, target, c, false))
			if bound := host.Bound(); len(bound) != 1 {
				t.Errorf("bound %q, want the one image", bound)
			}
			must(t, unpublish(t.Context(), n, id, target))
			must(t, unstage(t.Context(), n, id, path))
		})
	}
}

// stealing is a host on which a device is released, and its number taken by another
// volume, right before it is held.
type stealing struct {
	*mounttest.Host

	steal func()
}

func (h *stealing) HoldLoop(number int, token string) (func(), error) {
	if h.steal != nil {
		h.steal()
		h.steal = nil
	}
	return h.Host.HoldLoop(number, token)
}

// TestReleasedMeanwhile never uses a number that means another volume by now.
func TestReleasedMeanwhile(t *testing.T) {
	for name, call := range map[string]func(t *testing.T, n *node, id, path, target string) error{
		"Stage": func(t *testing.T, n *node, id, path, _ string) error {
			return stage(t.Context(), n, id, path, block())
		},
		"Publish": func(t *testing.T, n *node, id, path, target string) error {
			return publish(t.Context(), n, id, path, target, block(), false)
		},
		"Expand": func(t *testing.T, n *node, id, path, _ string) error {
			_, err := n.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: id, VolumePath: path})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, host := newRig(t), mounttest.New()
			_, id, path := r.staged(host, block())
			other := r.image(r.create("other", block()))
			thief := &stealing{Host: host}
			n := r.node("node-a", thief)
			thief.steal = func() {
				must(t, host.UnbindLoop(t.Context(), 0, n.tokenOf(t, id)))
				must(t, host.BindLoop(0, other, testSize, mount.Binding{Token: "other"}))
			}
			target := filepath.Join(r.mkdir("pod"), "target")
			wantError(t, call(t, n, id, path, target), codes.Aborted, "released meanwhile")
			if _, err := os.Lstat(target); !os.IsNotExist(err) {
				t.Errorf("target: %v", err)
			}
			must(t, stage(t.Context(), n, id, path, block()))
			must(t, unstage(t.Context(), n, id, path))
			if binding, err := host.LoopStatus(0); err != nil || binding == nil || binding.Token != "other" {
				t.Errorf("the other volume's device is %+v, %v", binding, err)
			}
		})
	}
}
