// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

// contract is what an RPC needs: a claimed capability, and fields of the request.
type contract struct {
	capability string
	fields     []protoreflect.Name
}

// contracts are those of all RPCs that need anything.
var contracts = map[string]contract{
	csi.Controller_CreateVolume_FullMethodName:               {createVolume, []protoreflect.Name{"name", "volume_capabilities"}},
	csi.Controller_DeleteVolume_FullMethodName:               {createVolume, []protoreflect.Name{"volume_id"}},
	csi.Controller_ControllerPublishVolume_FullMethodName:    {publishVolume, []protoreflect.Name{"volume_id", "node_id", "volume_capability"}},
	csi.Controller_ControllerUnpublishVolume_FullMethodName:  {publishVolume, []protoreflect.Name{"volume_id"}},
	csi.Controller_ValidateVolumeCapabilities_FullMethodName: {"", []protoreflect.Name{"volume_id", "volume_capabilities"}},
	csi.Controller_ListVolumes_FullMethodName:                {"Controller/LIST_VOLUMES", nil},
	csi.Controller_ControllerGetVolume_FullMethodName:        {"Controller/GET_VOLUME", []protoreflect.Name{"volume_id"}},
	csi.Controller_GetCapacity_FullMethodName:                {"Controller/GET_CAPACITY", nil},
	csi.Controller_ControllerExpandVolume_FullMethodName:     {expandVolume, []protoreflect.Name{"volume_id", "capacity_range"}},
	csi.Controller_ControllerModifyVolume_FullMethodName:     {modifyVolume, []protoreflect.Name{"volume_id"}},
	csi.Controller_CreateSnapshot_FullMethodName:             {createSnapshot, []protoreflect.Name{"name", "source_volume_id"}},
	csi.Controller_DeleteSnapshot_FullMethodName:             {createSnapshot, []protoreflect.Name{"snapshot_id"}},
	csi.Controller_ListSnapshots_FullMethodName:              {"Controller/LIST_SNAPSHOTS", nil},
	csi.Controller_GetSnapshot_FullMethodName:                {"Controller/GET_SNAPSHOT", []protoreflect.Name{"snapshot_id"}},

	csi.GroupController_CreateVolumeGroupSnapshot_FullMethodName: {groupSnapshot, []protoreflect.Name{"name", "source_volume_ids"}},
	csi.GroupController_DeleteVolumeGroupSnapshot_FullMethodName: {groupSnapshot, []protoreflect.Name{"group_snapshot_id"}},
	csi.GroupController_GetVolumeGroupSnapshot_FullMethodName:    {groupSnapshot, []protoreflect.Name{"group_snapshot_id"}},

	csi.Node_NodeStageVolume_FullMethodName:     {stageVolume, []protoreflect.Name{"volume_id", "staging_target_path", "volume_capability"}},
	csi.Node_NodeUnstageVolume_FullMethodName:   {stageVolume, []protoreflect.Name{"volume_id", "staging_target_path"}},
	csi.Node_NodePublishVolume_FullMethodName:   {"", []protoreflect.Name{"volume_id", "target_path", "volume_capability"}},
	csi.Node_NodeUnpublishVolume_FullMethodName: {"", []protoreflect.Name{"volume_id", "target_path"}},
	csi.Node_NodeGetVolumeStats_FullMethodName:  {"Node/GET_VOLUME_STATS", []protoreflect.Name{"volume_id", "volume_path"}},
	csi.Node_NodeExpandVolume_FullMethodName:    {nodeExpandVolume, []protoreflect.Name{"volume_id", "volume_path"}},
}

// enforce refuses calls that break the contract, and gives the errors of the others
// their codes.
func (o Options) enforce(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	needs := contracts[info.FullMethod]
	if !o.serves(info.FullMethod) {
		return nil, status.Errorf(codes.Unimplemented, "this process does not serve %s", info.FullMethod)
	}
	if needs.capability != "" && !o.Claims[needs.capability] {
		return nil, status.Errorf(codes.Unimplemented, "%s is not claimed", needs.capability)
	}
	if message, ok := req.(proto.Message); ok {
		for _, name := range needs.fields {
			m := message.ProtoReflect()
			if !m.Has(m.Descriptor().Fields().ByName(name)) {
				return nil, status.Errorf(codes.InvalidArgument, "%s is missing", name)
			}
		}
	}
	reply, err := handler(ctx, req)
	if err != nil {
		return nil, coded(err)
	}
	return reply, nil
}

// serves tells whether the service of an RPC is there.
func (o Options) serves(method string) bool {
	switch service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/"); service {
	case csi.Controller_ServiceDesc.ServiceName:
		return o.Controller && o.Claims[controllerService]
	case csi.GroupController_ServiceDesc.ServiceName:
		return o.Controller && o.Claims[groupService]
	case csi.Node_ServiceDesc.ServiceName:
		return o.Node
	default:
		return true
	}
}

// coded gives an error its code, if it has none.
func coded(err error) error {
	known, ok := status.FromError(err)
	switch {
	case ok:
		return known.Err()
	case errors.Is(err, store.ErrNotFound):
		return status.Error(codes.NotFound, err.Error())
	default:
		return status.Error(codes.Internal, err.Error())
	}
}
