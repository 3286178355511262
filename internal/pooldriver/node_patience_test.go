// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// TestImpatientCheck does not interrupt e2fsck when its caller goes: each call would
// begin anew, and none would see the end.
func TestImpatientCheck(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, path := r.staged(host, filesystem(""))
	must(t, unstage(t.Context(), n, id, path))
	ctx, cancel := context.WithCancel(t.Context())
	slow := &growing{Host: host}
	n = r.node("node-a", slow)
	slow.checked = func(depth mount.Depth) {
		if depth != mount.Routine {
			return
		}
		cancel()
		wantCode(t, stage(t.Context(), n, id, path, filesystem("")), codes.Aborted)
	}
	must(t, stage(ctx, n, id, path, filesystem("")))
	must(t, unstage(t.Context(), n, id, path))
}

// hung is a host on which the size of a device takes for ever.
type hung struct {
	*mounttest.Host

	entered, leave chan struct{}
}

func (h *hung) DeviceSize(device string) (int64, error) {
	h.entered <- struct{}{}
	<-h.leave
	return h.Host.DeviceSize(device)
}

// TestStatsHang has one thread at most waiting for a server that does not answer.
func TestStatsHang(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	_, id, path := r.staged(host, block())
	slow := &hung{Host: host, entered: make(chan struct{}), leave: make(chan struct{})}
	n := r.node("node-a", slow)
	req := &csi.NodeGetVolumeStatsRequest{VolumeId: id, VolumePath: path}
	first := make(chan error, 1)
	go func() {
		_, err := n.NodeGetVolumeStats(t.Context(), req)
		first <- err
	}()
	<-slow.entered
	second := make(chan error, 1)
	go func() {
		_, err := n.NodeGetVolumeStats(t.Context(), req)
		second <- err
	}()
	select {
	case <-slow.entered:
		t.Error("a second call waits too")
	case err := <-second:
		wantCode(t, err, codes.Aborted)
	}
	close(slow.leave)
	must(t, <-first)
}
