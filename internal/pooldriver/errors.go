// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pool"
)

// advice is what an administrator can do about an error.
type advice struct {
	cause error
	code  codes.Code
	text  string
}

// advices is the one place where errors of the pool and of the host become gRPC
// codes. The first that matches counts.
func advices() []advice {
	return []advice{
		{pool.ErrNotFound, codes.NotFound, ""},
		{pool.ErrInvalidID, codes.NotFound, "no volume or node of this driver can have that name"},
		{pool.ErrNodeUnknown, codes.NotFound, "mount the shared file system on that node and let its node plugin register"},
		{pool.ErrConflict, codes.AlreadyExists, ""},
		{pool.ErrNoSpace, codes.ResourceExhausted, "delete volumes or grow the file system of the pool"},
		{pool.ErrRange, codes.OutOfRange, ""},
		{pool.ErrInvalidRequest, codes.InvalidArgument, ""},
		{pool.ErrBusy, codes.Aborted, ""},
		{pool.ErrStaged, codes.FailedPrecondition, "bring that node back, so that it unstages the volume; a new machine of the same name is not that node"},
		{pool.ErrGranted, codes.FailedPrecondition, "unpublish the volume from that node first"},
		{pool.ErrInUse, codes.FailedPrecondition, "unpublish and unstage the volume first"},
		{pool.ErrNotGranted, codes.FailedPrecondition, "ControllerPublishVolume must come first; if it did, this node was replaced since: delete the pod, so that the volume is attached anew"},
		{pool.ErrNotStaged, codes.FailedPrecondition, "NodeStageVolume must come first"},
		{pool.ErrNoPool, codes.FailedPrecondition, "mount the shared file system there"},
		{pool.ErrForeignPool, codes.FailedPrecondition, "mount the right file system there or choose another path"},
		{pool.ErrFormat, codes.FailedPrecondition, "upgrade this driver"},
		{mount.ErrOption, codes.InvalidArgument, ""},
		{mount.ErrReleased, codes.Aborted, ""},
		{mount.ErrBusy, codes.FailedPrecondition, "stop what uses it"},
		{mount.ErrUnclean, codes.FailedPrecondition, ""},
		{mount.ErrNotBlank, codes.FailedPrecondition, ""},
		{mount.ErrNotLoop, codes.FailedPrecondition, "this driver did not mount it: unmount it by hand"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, ""},
		{context.Canceled, codes.Canceled, ""},
	}
}

// grpcError gives an error its code and says what to do about it. What has a code
// keeps it; what is unknown is INTERNAL.
func grpcError(err error) error {
	if known, ok := status.FromError(err); ok {
		return known.Err()
	}
	for _, a := range advices() {
		if !errors.Is(err, a.cause) {
			continue
		}
		text := err.Error()
		if a.text != "" {
			text += "; " + a.text
		}
		return status.Error(a.code, text)
	}
	return status.Error(codes.Internal, err.Error())
}

// invalid is INVALID_ARGUMENT.
func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// precondition is FAILED_PRECONDITION.
func precondition(format string, args ...any) error {
	return status.Errorf(codes.FailedPrecondition, format, args...)
}

// exists is ALREADY_EXISTS.
func exists(format string, args ...any) error {
	return status.Errorf(codes.AlreadyExists, format, args...)
}

// outOfRange is OUT_OF_RANGE.
func outOfRange(format string, args ...any) error {
	return status.Errorf(codes.OutOfRange, format, args...)
}
