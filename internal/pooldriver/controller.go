// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pool"
)

// controller touches the pool directory only and needs no privilege.
type controller struct {
	csi.UnimplementedControllerServer

	driver string
	pools  *source
	busy   inflight
	sweeps sweeper
}

func newController(config Config, pools *source) *controller {
	return &controller{driver: config.DriverName, pools: pools, sweeps: sweeper{now: time.Now}}
}

// ControllerGetCapabilities claims what is implemented wholly.
func (c *controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	reply := &csi.ControllerGetCapabilitiesResponse{}
	for _, t := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_PUBLISH_UNPUBLISH_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: t}
		reply.Capabilities = append(reply.Capabilities, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return reply, nil
}

// CreateVolume is idempotent by name.
func (c *controller) CreateVolume(ctx context.Context, req *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	want, err := checkCreate(req)
	if err != nil {
		return nil, err
	}
	release, err := c.busy.acquire(req.GetName())
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := c.pools.get()
	if err != nil {
		return nil, grpcError(err)
	}
	if err := checkTopology(c.driver, p, req.GetAccessibilityRequirements()); err != nil {
		return nil, err
	}
	c.sweeps.run(ctx, p)
	volume, err := p.Create(createRequest(req, want))
	if err != nil {
		return nil, unfinished(err)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:           volumeID(p, volume.ID),
		CapacityBytes:      volume.CapacityBytes,
		AccessibleTopology: []*csi.Topology{topology(c.driver, p)},
	}}, nil
}

// unfinished is ABORTED for what may have left a half-made volume: after another
// code the provisioner would not ask again, and nobody would know of the volume.
func unfinished(err error) error {
	known := status.Convert(grpcError(err))
	if known.Code() == codes.Internal {
		return status.Error(codes.Aborted, known.Message())
	}
	return known.Err()
}

func createRequest(req *csi.CreateVolumeRequest, want access) pool.CreateRequest {
	r := pool.CreateRequest{
		Name:          req.GetName(),
		CapacityBytes: req.GetCapacityRange().GetRequiredBytes(),
		LimitBytes:    req.GetCapacityRange().GetLimitBytes(),
		AccessType:    pool.Block,
	}
	if !want.block {
		r.AccessType = pool.Filesystem
		r.FSType = want.fsType
		if r.FSType == "" {
			r.FSType = mount.Ext4
		}
	}
	return r
}

func checkCreate(req *csi.CreateVolumeRequest) (access, error) {
	err := first(checkName(req.GetName()), checkRange(req.GetCapacityRange()), checkParameters(req.GetParameters()))
	if err != nil {
		return access{}, err
	}
	if req.GetVolumeContentSource() != nil {
		return access{}, invalid("volume_content_source is not supported: this driver has no snapshots and no clones")
	}
	if len(req.GetMutableParameters()) > 0 {
		return access{}, invalid("mutable_parameters are not supported: %s", keys(req.GetMutableParameters()))
	}
	return combine(req.GetVolumeCapabilities())
}

// checkParameters allows only what the provisioner adds with --extra-create-metadata.
func checkParameters(parameters map[string]string) error {
	unknown := maps.Clone(parameters)
	for _, name := range []string{"pvc/name", "pvc/namespace", "pv/name"} {
		delete(unknown, "csi.storage.k8s.io/"+name)
	}
	if len(unknown) > 0 {
		return invalid("parameters are unknown: %s; this driver takes none", keys(unknown))
	}
	return nil
}

func keys(m map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// DeleteVolume succeeds for what is gone or never was.
func (c *controller) DeleteVolume(_ context.Context, req *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	p, id, release, err := c.begin(req.GetVolumeId())
	if absent(err) {
		return &csi.DeleteVolumeResponse{}, nil
	}
	if err != nil {
		return nil, grpcError(err)
	}
	defer release()
	if err := p.Delete(id); err != nil && !absent(err) {
		return nil, grpcError(err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// ValidateVolumeCapabilities confirms what was created; the message says why not.
func (c *controller) ValidateVolumeCapabilities(_ context.Context, req *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if err := checkVolumeID(req.GetVolumeId()); err != nil {
		return nil, err
	}
	if len(req.GetVolumeCapabilities()) == 0 {
		return nil, invalid("volume_capabilities is missing")
	}
	for _, capability := range req.GetVolumeCapabilities() {
		if err := wellFormed(capability); err != nil {
			return nil, err
		}
	}
	p, id, err := c.pools.find(req.GetVolumeId())
	if err != nil {
		return nil, grpcError(err)
	}
	volume, err := p.Get(id)
	if err != nil {
		return nil, grpcError(err)
	}
	if err := confirm(volume, req); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: status.Convert(err).Message()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext:      req.GetVolumeContext(),
		VolumeCapabilities: req.GetVolumeCapabilities(),
		Parameters:         req.GetParameters(),
	}}, nil
}

func confirm(volume pool.Volume, req *csi.ValidateVolumeCapabilitiesRequest) error {
	if len(req.GetMutableParameters()) > 0 {
		return invalid("mutable_parameters are not supported: %s", keys(req.GetMutableParameters()))
	}
	want, err := combine(req.GetVolumeCapabilities())
	return first(checkParameters(req.GetParameters()), err, want.fits(volume))
}

// begin checks an id, keeps other calls from the volume and returns the pool and
// the volume's id in it. The error is still to be given to absent and grpcError.
func (c *controller) begin(volumeID string) (p *pool.Pool, id string, release func(), err error) {
	if err := checkVolumeID(volumeID); err != nil {
		return nil, "", nil, err
	}
	release, err = c.busy.acquire(volumeID)
	if err != nil {
		return nil, "", nil, err
	}
	p, id, err = c.pools.find(volumeID)
	if err != nil {
		release()
		return nil, "", nil, err
	}
	return p, id, release, nil
}

// absent tells that there is no such volume and can be none.
func absent(err error) bool {
	return errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrInvalidID)
}
