// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/go-logr/logr"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pool"
)

const (
	// infoWait is how long NodeGetInfo waits for the pool, less than what the
	// kubelet waits for NodeGetInfo.
	infoWait = 60 * time.Second
	infoPoll = 500 * time.Millisecond
	// infoMargin is what is left of a call's time to say why there is no pool.
	infoMargin = time.Second
	// attachTries is how often other processes may take the loop device that was
	// free a moment ago.
	attachTries = 64
)

// node attaches, mounts and grows volumes. It is privileged.
type node struct {
	csi.UnimplementedNodeServer

	driver string
	name   string
	// instance tells this machine from others of its name.
	instance string
	path     string // of the pool
	pools    *source
	host     mount.Host
	records  records
	busy     inflight
	stats    inflight // of NodeGetVolumeStats, which waits for no other call
}

func newNode(config Config, instance string, pools *source, host mount.Host) *node {
	return &node{
		driver:   config.DriverName,
		name:     config.NodeID,
		instance: instance,
		path:     config.PoolPath,
		pools:    pools,
		host:     host,
		records:  records{dir: config.StateDir},
	}
}

// NodeGetCapabilities claims what is implemented wholly.
func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	reply := &csi.NodeGetCapabilitiesResponse{}
	for _, t := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: t}
		reply.Capabilities = append(reply.Capabilities, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return reply, nil
}

// NodeGetInfo registers the node in the pool. It waits for the pool, because the
// orchestrator may start the driver before the shared file system is mounted and
// the controller has made the pool.
func (n *node) NodeGetInfo(ctx context.Context, _ *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	p, err := n.awaitPool(ctx)
	if err == nil {
		err = p.RegisterNode(n.name, n.instance)
	}
	if err != nil {
		return nil, precondition("node %q cannot use the pool at %q: %v; mount the shared file system at %q on node %q, and see that the controller runs, which makes the pool",
			n.name, n.path, err, n.path, n.name)
	}
	return &csi.NodeGetInfoResponse{NodeId: n.name, AccessibleTopology: topology(n.driver, p)}, nil
}

// awaitPool returns the last reason when the time is over. Only an absent pool is
// worth waiting for.
func (n *node) awaitPool(ctx context.Context) (*pool.Pool, error) {
	wait := infoWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)-infoMargin)
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	tick := time.NewTicker(infoPoll)
	defer tick.Stop()
	for {
		err := n.pools.check()
		if err == nil {
			return n.pools.get()
		}
		if !errors.Is(err, pool.ErrNoPool) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-over.C:
			return nil, err
		case <-tick.C:
		}
	}
}

// current returns a volume's record, nil if there is none, and whether its loop
// device is still the one that was bound for it. Devices are never searched for:
// another node may share this node's /dev, and another image this one's name.
func (n *node) current(id string) (rec *record, attached bool, err error) {
	rec, err = n.records.load(id)
	if err != nil || rec == nil {
		return nil, false, err
	}
	binding, err := n.host.LoopStatus(rec.Loop)
	if err != nil {
		return nil, false, err
	}
	return rec, rec.holds(binding), nil
}

// attach binds the first size bytes of the record's image to a loop device. The
// record is on disk before the device is bound.
func (n *node) attach(ctx context.Context, rec *record, size int64) error {
	file, err := n.host.Identify(rec.Image)
	if err != nil {
		return err
	}
	rec.Inode, rec.Device = file.Inode, file.Device
	for range attachTries {
		err = n.attachOnce(ctx, rec, size)
		if !errors.Is(err, mount.ErrLoopTaken) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("attaching volume %q: %w", rec.VolumeID, err)
	}
	return n.verifyAttached(ctx, rec)
}

func (n *node) attachOnce(ctx context.Context, rec *record, size int64) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	rec.Token = n.token()
	if rec.Loop, err = n.host.FreeLoop(); err != nil {
		return err
	}
	if err := n.records.save(rec); err != nil {
		return err
	}
	return n.host.BindLoop(rec.Loop, rec.Image, size, mount.Binding{Token: rec.Token, ReadOnly: rec.Block && rec.ReadOnly})
}

func (n *node) verifyAttached(ctx context.Context, rec *record) error {
	binding, err := n.host.LoopStatus(rec.Loop)
	if err != nil {
		return err
	}
	if !rec.holds(binding) {
		return fmt.Errorf("loop device %d does not show image %q, which was bound to it a moment ago", rec.Loop, rec.Image)
	}
	if !binding.Direct {
		logr.FromContextOrDiscard(ctx).Info("Attached through the page cache: the pool's file system cannot do direct I/O with this sector size",
			keyVolume, rec.VolumeID, "loop", rec.Loop)
	}
	return nil
}
