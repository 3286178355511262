// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

const (
	testDriver = "pool.example.org"
	testSize   = 32 << 20
)

// rig is a controller and nodes on one real pool, each node with a host in memory.
type rig struct {
	t          *testing.T
	dir        string
	controller *controller
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.mkdir("pool")
	r.controller = newController(r.config(""), r.source(true))
	return r
}

func (r *rig) mkdir(name string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(path, 0o750); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *rig) config(node string) Config {
	return Config{
		Endpoint:   "unix://" + filepath.Join(r.dir, node+".sock"),
		DriverName: testDriver,
		Mode:       ModeShared,
		PoolPath:   filepath.Join(r.dir, "pool"),
		NodeID:     node,
		StateDir:   filepath.Join(r.dir, node+"-state"),
		Controller: node == "",
		Node:       node != "",
	}
}

func (r *rig) source(create bool) *source {
	return &source{path: filepath.Join(r.dir, "pool"), driver: testDriver, create: create}
}

// node registers a node in the pool. Nodes of one name share their records.
func (r *rig) node(name string, host mount.Host) *node {
	r.t.Helper()
	if _, err := r.controller.pools.get(); err != nil {
		r.t.Fatal(err)
	}
	n := r.unregistered(name, host)
	if _, err := n.NodeGetInfo(r.t.Context(), &csi.NodeGetInfoRequest{}); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// unregistered returns a node that the pool need not know.
func (r *rig) unregistered(name string, host mount.Host) *node {
	r.t.Helper()
	instance, err := loadInstance(r.mkdir(name + "-state"))
	if err != nil {
		r.t.Fatal(err)
	}
	return newNode(r.config(name), instance, r.source(false), host)
}

// create returns the id of a new volume.
func (r *rig) create(name string, capability *csi.VolumeCapability) string {
	r.t.Helper()
	reply, err := r.controller.CreateVolume(r.t.Context(), createReq(name, capability))
	if err != nil {
		r.t.Fatal(err)
	}
	return reply.GetVolume().GetVolumeId()
}

func (r *rig) grant(id, node string, capability *csi.VolumeCapability) error {
	_, err := r.controller.ControllerPublishVolume(r.t.Context(),
		&csi.ControllerPublishVolumeRequest{VolumeId: id, NodeId: node, VolumeCapability: capability})
	return err
}

func (r *rig) revoke(id, node string) error {
	_, err := r.controller.ControllerUnpublishVolume(r.t.Context(), &csi.ControllerUnpublishVolumeRequest{VolumeId: id, NodeId: node})
	return err
}

// image is the path of a volume's image.
func (r *rig) image(id string) string {
	r.t.Helper()
	p, err := r.controller.pools.get()
	if err != nil {
		r.t.Fatal(err)
	}
	_, inPool, _ := parseVolumeID(id)
	v, err := p.Get(inPool)
	if err != nil {
		r.t.Fatal(err)
	}
	return v.ImagePath
}

func createReq(name string, capabilities ...*csi.VolumeCapability) *csi.CreateVolumeRequest {
	return &csi.CreateVolumeRequest{
		Name:               name,
		CapacityRange:      &csi.CapacityRange{RequiredBytes: testSize},
		VolumeCapabilities: capabilities,
	}
}

func filesystem(fsType string, options ...string) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessMode: accessMode(csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER),
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: fsType, MountFlags: options}},
	}
}

func block() *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessMode: accessMode(csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER),
		AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}},
	}
}

func accessMode(m csi.VolumeCapability_AccessMode_Mode) *csi.VolumeCapability_AccessMode {
	return &csi.VolumeCapability_AccessMode{Mode: m}
}

// withMode returns a copy of a capability with another access mode.
func withMode(c *csi.VolumeCapability, m csi.VolumeCapability_AccessMode_Mode) *csi.VolumeCapability {
	return &csi.VolumeCapability{AccessMode: accessMode(m), AccessType: c.GetAccessType()}
}

func stage(ctx context.Context, n *node, id, path string, c *csi.VolumeCapability) error {
	_, err := n.NodeStageVolume(ctx, &csi.NodeStageVolumeRequest{VolumeId: id, StagingTargetPath: path, VolumeCapability: c})
	return err
}

func unstage(ctx context.Context, n *node, id, path string) error {
	_, err := n.NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: id, StagingTargetPath: path})
	return err
}

func publish(ctx context.Context, n *node, id, staging, target string, c *csi.VolumeCapability, readOnly bool) error {
	_, err := n.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
		VolumeId: id, StagingTargetPath: staging, TargetPath: target, VolumeCapability: c, Readonly: readOnly,
	})
	return err
}

func unpublish(ctx context.Context, n *node, id, target string) error {
	_, err := n.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: target})
	return err
}

// wantCode fails unless an error has a code; OK is no error.
func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("code %s, want %s: %v", got, want, err)
	}
}

// must fails at once.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// staged returns a node on which a new volume is granted and staged.
func (r *rig) staged(host *mounttest.Host, c *csi.VolumeCapability) (n *node, id, path string) {
	r.t.Helper()
	n = r.node("node-a", host)
	id = r.create("volume", c)
	must(r.t, r.grant(id, "node-a", c))
	path = r.mkdir("staging")
	must(r.t, stage(r.t.Context(), n, id, path, c))
	return n, id, path
}
