// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Keys of log lines.
const (
	keyMethod   = "method"
	keyVolume   = "volume"
	keyNode     = "node"
	keyDuration = "duration"
	keyCode     = "code"
	keyRequest  = "request"
)

// logCalls logs each call once, at its end, and gives the handler a logger that
// names the call.
func logCalls(log logr.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		call := log.WithValues(keyMethod, info.FullMethod)
		if r, ok := req.(interface{ GetVolumeId() string }); ok {
			call = call.WithValues(keyVolume, r.GetVolumeId())
		}
		start := time.Now()
		reply, err := handler(logr.NewContext(ctx, call), req)
		call = call.WithValues(keyDuration, time.Since(start).String(), keyCode, status.Code(err).String())
		switch {
		case err != nil:
			call.Error(err, "Call failed", keyRequest, printable(req))
		case changes(info.FullMethod):
			call.Info("Call succeeded", keyRequest, printable(req))
		default:
			call.V(1).Info("Call succeeded", keyRequest, printable(req))
		}
		return reply, err
	}
}

// changes tells whether a call may have changed something; the others come every
// few seconds.
func changes(method string) bool {
	switch method {
	case csi.Identity_GetPluginInfo_FullMethodName, csi.Identity_GetPluginCapabilities_FullMethodName, csi.Identity_Probe_FullMethodName,
		csi.Controller_ControllerGetCapabilities_FullMethodName, csi.Controller_ValidateVolumeCapabilities_FullMethodName,
		csi.Node_NodeGetCapabilities_FullMethodName, csi.Node_NodeGetVolumeStats_FullMethodName:
		return false
	default:
		return true
	}
}

// recoverPanics turns a handler's panic into an error; the stack goes to the log.
func recoverPanics(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (reply any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			logr.FromContextOrDiscard(ctx).Info("Handler panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			code := codes.Internal
			if info.FullMethod == csi.Node_NodeStageVolume_FullMethodName {
				code = codes.Aborted // the stage marker may stand: the kubelet has to unstage
			}
			reply, err = nil, status.Errorf(code, "%s panicked: %v; see the driver's log", info.FullMethod, cause)
		}
	}()
	return handler(ctx, req)
}

// printable renders a request without its secrets.
func printable(req any) string {
	message, ok := req.(proto.Message)
	if !ok {
		return ""
	}
	clean := proto.Clone(message)
	strip(clean.ProtoReflect())
	return fmt.Sprint(clean)
}

// strip clears every field that the CSI specification marks as secret.
func strip(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		options, _ := field.Options().(*descriptorpb.FieldOptions)
		switch {
		case proto.GetExtension(options, csi.E_CsiSecret) == true:
			m.Clear(field)
		case field.Message() != nil && !field.IsList() && !field.IsMap():
			strip(value.Message())
		}
		return true
	})
}
