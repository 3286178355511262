// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"slices"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

func (c *controller) ListVolumes(_ context.Context, req *csi.ListVolumesRequest) (*csi.ListVolumesResponse, error) {
	all, err := c.store.Volumes.List()
	if err != nil {
		return nil, err
	}
	some, next, err := page(all, func(v store.Volume) string { return v.ID }, req)
	if err != nil {
		return nil, err
	}
	reply := &csi.ListVolumesResponse{NextToken: next}
	for _, v := range some {
		nodes, err := c.store.Published(v.ID)
		if err != nil {
			return nil, err
		}
		volumeStatus := &csi.ListVolumesResponse_VolumeStatus{PublishedNodeIds: nodes}
		reply.Entries = append(reply.Entries, &csi.ListVolumesResponse_Entry{Volume: c.volume(v), Status: volumeStatus})
	}
	return reply, nil
}

func (c *controller) ControllerGetVolume(_ context.Context, req *csi.ControllerGetVolumeRequest) (*csi.ControllerGetVolumeResponse, error) {
	volume, err := c.store.Volumes.Get(req.GetVolumeId())
	if err != nil {
		return nil, err
	}
	nodes, err := c.store.Published(volume.ID)
	volumeStatus := &csi.ControllerGetVolumeResponse_VolumeStatus{PublishedNodeIds: nodes}
	return &csi.ControllerGetVolumeResponse{Volume: c.volume(volume), Status: volumeStatus}, err
}

func (c *controller) ListSnapshots(_ context.Context, req *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	all, err := c.store.Snapshots.List()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s store.Snapshot) bool {
		id, volume := req.GetSnapshotId(), req.GetSourceVolumeId()
		return id != "" && id != s.ID || volume != "" && volume != s.SourceVolumeID
	})
	some, next, err := page(all, func(s store.Snapshot) string { return s.ID }, req)
	reply := &csi.ListSnapshotsResponse{NextToken: next}
	for _, s := range some {
		reply.Entries = append(reply.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: snapshot(s)})
	}
	return reply, err
}

// tokenPrefix begins every token; the last id of the page before follows.
const tokenPrefix = "after-"

// page cuts out of all, which is sorted by id, what a request wants to see, and
// returns the token of the rest.
func page[T any](all []T, id func(T) string, req interface {
	GetStartingToken() string
	GetMaxEntries() int32
}) ([]T, string, error) {
	if token := req.GetStartingToken(); token != "" {
		last, ok := strings.CutPrefix(token, tokenPrefix)
		if !ok {
			return nil, "", status.Errorf(codes.Aborted, "starting_token %q is none of this driver", token)
		}
		all = slices.DeleteFunc(all, func(object T) bool { return id(object) <= last })
	}
	if limit := int(req.GetMaxEntries()); limit > 0 && limit < len(all) {
		return all[:limit], tokenPrefix + id(all[limit-1]), nil
	}
	return all, "", nil
}
