// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"errors"
	"os"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// stubborn is a host that lets no device have another size.
type stubborn struct {
	*mounttest.Host

	err error
}

func (h *stubborn) ResizeLoop(int, string, int64) error { return h.err }

// TestMarkerOutlivesFailure fails to stage a volume again whose marker stands: a code
// that is final to the kubelet would let it forget the volume, with the marker.
func TestMarkerOutlivesFailure(t *testing.T) {
	for name, test := range map[string]struct {
		before func(t *testing.T, r *rig, host *mounttest.Host, id, path string)
		host   func(*mounttest.Host) *stubborn
	}{
		"GrantIsGone": {before: func(t *testing.T, r *rig, _ *mounttest.Host, id, _ string) { must(t, r.revoke(id, "node-a")) }},
		"PathIsGone": {before: func(t *testing.T, _ *rig, host *mounttest.Host, _, path string) {
			host.Reboot()
			must(t, os.Remove(path))
		}},
		"PoolIsGone":  {before: func(t *testing.T, r *rig, _ *mounttest.Host, _, _ string) { movePool(t, r) }},
		"ResizeFails": {host: func(h *mounttest.Host) *stubborn { return &stubborn{h, errors.New("input/output error")} }},
	} {
		t.Run(name, func(t *testing.T) {
			r, host, c := newRig(t), mounttest.New(), filesystem("")
			n, id, path := r.staged(host, c)
			if test.host != nil {
				n = r.node("node-a", test.host(host))
			}
			if test.before != nil {
				test.before(t, r, host, id, path)
			}
			wantCode(t, stage(t.Context(), n, id, path, c), codes.Aborted)
		})
	}
}

func movePool(t *testing.T, r *rig) {
	t.Helper()
	path := r.config("").PoolPath
	must(t, os.Rename(path, path+"-away"))
}

// TestMarkFails leaves no marker if setting it failed and nothing was staged before.
func TestMarkFails(t *testing.T) {
	r, c := newRig(t), filesystem("")
	n := r.node("node-a", mounttest.New())
	id, path := r.create("volume", c), r.mkdir("staging")
	must(t, r.grant(id, "node-a", c))
	tmp := r.config("").PoolPath + "/tmp"
	must(t, os.Remove(tmp))
	wantCode(t, stage(t.Context(), n, id, path, c), codes.Internal)
	must(t, os.Mkdir(tmp, 0o700))
	must(t, r.revoke(id, "node-a"))
	r.node("node-b", mounttest.New())
	must(t, r.grant(id, "node-b", c))
}
