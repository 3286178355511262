// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

// TestContracts: they name RPCs, capabilities and fields that there are.
func TestContracts(t *testing.T) {
	for method, needs := range contracts {
		service, name := path.Split(method)
		rpc := csi.File_csi_proto.Services().ByName(protoreflect.FullName(path.Base(service)).Name()).Methods().ByName(protoreflect.Name(name))
		if _, known := numbers[needs.capability]; needs.capability != "" && !known {
			t.Errorf("%s needs %q, which is no capability", method, needs.capability)
		}
		for _, field := range needs.fields {
			if rpc.Input().Fields().ByName(field) == nil {
				t.Errorf("%s has no field %q", method, field)
			}
		}
	}
}

func TestEnforce(t *testing.T) {
	const (
		create = csi.Controller_CreateVolume_FullMethodName
		list   = csi.Controller_ListVolumes_FullMethodName
		group  = csi.GroupController_GroupControllerGetCapabilities_FullMethodName
		info   = csi.Node_NodeGetInfo_FullMethodName
		remove = csi.Controller_DeleteVolume_FullMethodName
	)
	deletion := &csi.DeleteVolumeRequest{VolumeId: "v"}
	for name, test := range map[string]struct {
		options Options
		method  string
		request any
		result  error // of the handler
		want    codes.Code
	}{
		"Served":          {defaults(), remove, deletion, nil, codes.OK},
		"Identity":        {Options{}, csi.Identity_GetPluginInfo_FullMethodName, &csi.GetPluginInfoRequest{}, nil, codes.OK},
		"NoController":    {Options{Claims: defaultClaims(), Node: true}, remove, deletion, nil, codes.Unimplemented},
		"NoNode":          {Options{Claims: defaultClaims(), Controller: true}, info, &csi.NodeGetInfoRequest{}, nil, codes.Unimplemented},
		"NodeOnly":        {Options{Node: true}, info, &csi.NodeGetInfoRequest{}, nil, codes.OK},
		"ServiceNotMine":  {Options{Claims: Claims{createVolume: true}, Controller: true}, remove, deletion, nil, codes.Unimplemented},
		"GroupsUnclaimed": {defaults(), group, &csi.GroupControllerGetCapabilitiesRequest{}, nil, codes.Unimplemented},
		"Groups":          {Options{Claims: Claims{groupService: true}, Controller: true}, group, &csi.GroupControllerGetCapabilitiesRequest{}, nil, codes.OK},
		"RPCUnclaimed":    {defaults(), list, &csi.ListVolumesRequest{}, nil, codes.Unimplemented},
		"NoField":         {defaults(), remove, &csi.DeleteVolumeRequest{}, nil, codes.InvalidArgument},
		"EmptyList":       {defaults(), create, &csi.CreateVolumeRequest{Name: "v"}, nil, codes.InvalidArgument},
		"NotFound":        {defaults(), remove, deletion, fmt.Errorf("deleting: %w", store.ErrNotFound), codes.NotFound},
		"Coded":           {defaults(), remove, deletion, status.Error(codes.Aborted, "later"), codes.Aborted},
		"OtherError":      {defaults(), remove, deletion, errors.New("disk on fire"), codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			handler := func(context.Context, any) (any, error) { return "done", test.result }
			reply, err := test.options.enforce(t.Context(), test.request, &grpc.UnaryServerInfo{FullMethod: test.method}, handler)
			if got := status.Code(err); got != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if (reply != nil) != (err == nil) {
				t.Errorf("reply %v with error %v", reply, err)
			}
		})
	}
}
