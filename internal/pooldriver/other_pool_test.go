// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// call is one RPC that is given a volume id.
type call struct {
	run     func(id string) error
	unknown codes.Code // for an id that no volume has
	local   bool       // it looks at the node's own mounts only
}

// calls are all RPCs that take a volume id.
func (r *rig) calls(n *node, staging, target string) map[string]call {
	t, c := r.t, r.controller
	return map[string]call{
		"Delete": {run: func(id string) error {
			_, err := c.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: id})
			return err
		}},
		"Validate": {unknown: codes.NotFound, run: func(id string) error {
			_, err := c.ValidateVolumeCapabilities(t.Context(), &csi.ValidateVolumeCapabilitiesRequest{VolumeId: id, VolumeCapabilities: []*csi.VolumeCapability{block()}})
			return err
		}},
		"ControllerPublish":   {unknown: codes.NotFound, run: func(id string) error { return r.grant(id, "node-a", block()) }},
		"ControllerUnpublish": {run: func(id string) error { return r.revoke(id, "node-a") }},
		"ControllerExpand": {unknown: codes.NotFound, run: func(id string) error {
			_, err := c.ControllerExpandVolume(t.Context(), &csi.ControllerExpandVolumeRequest{VolumeId: id, CapacityRange: &csi.CapacityRange{RequiredBytes: 1}})
			return err
		}},
		"Stage":     {unknown: codes.NotFound, run: func(id string) error { return stage(t.Context(), n, id, staging, block()) }},
		"Unstage":   {run: func(id string) error { return unstage(t.Context(), n, id, staging) }},
		"Publish":   {unknown: codes.NotFound, run: func(id string) error { return publish(t.Context(), n, id, staging, target, block(), false) }},
		"Unpublish": {local: true, run: func(id string) error { return unpublish(t.Context(), n, id, target) }},
		"NodeExpand": {unknown: codes.NotFound, run: func(id string) error {
			_, err := n.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: id, VolumePath: staging})
			return err
		}},
		"Stats": {unknown: codes.NotFound, run: func(id string) error {
			_, err := n.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: id, VolumePath: staging})
			return err
		}},
	}
}

// TestOtherPool restarts the driver where the shared file system is not mounted and
// a second pool was made below the mount point: nobody may be told that a volume of
// the first pool is gone, or given back.
func TestOtherPool(t *testing.T) {
	r := newRig(t)
	_, id, staging := r.staged(mounttest.New(), filesystem(""))
	first, err := r.controller.pools.get()
	must(t, err)
	path := filepath.Join(r.dir, "pool")
	must(t, os.Rename(path, path+"-away"))
	r.mkdir("pool")
	r.controller = newController(r.config(""), r.source(true))
	n := r.node("node-a", mounttest.New())
	must(t, n.records.remove(id))
	second, err := r.controller.pools.get()
	must(t, err)

	for name, c := range r.calls(n, staging, filepath.Join(r.mkdir("pod"), "target")) {
		t.Run(name, func(t *testing.T) {
			if c.local {
				must(t, c.run(id))
				return
			}
			for _, text := range []string{first.UUID(), second.UUID(), path, "not mounted"} {
				wantError(t, c.run(id), codes.FailedPrecondition, text)
			}
		})
	}

	must(t, os.RemoveAll(path))
	must(t, os.Rename(path+"-away", path))
	r.controller = newController(r.config(""), r.source(true))
	must(t, r.revoke(id, "node-a"))
	_, err = r.controller.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: id})
	wantError(t, err, codes.FailedPrecondition, "node-a") // the marker stands
}
