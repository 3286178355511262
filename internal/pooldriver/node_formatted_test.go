// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"os"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// TestNeverFormattedAgain lets a volume look blank that had a file system, on the
// node that made it and on one that knows nothing of it.
func TestNeverFormattedAgain(t *testing.T) {
	for name, moved := range map[string]bool{"SameNode": false, "OtherNode": true} {
		t.Run(name, func(t *testing.T) {
			r, host, c := newRig(t), mounttest.New(), filesystem("")
			n, id, path := r.staged(host, c)
			must(t, unstage(t.Context(), n, id, path))
			if moved {
				must(t, r.revoke(id, "node-a"))
				n = r.node("node-b", host)
				must(t, r.grant(id, "node-b", c))
			}
			host.SetContent(r.image(id), "")
			for _, text := range []string{r.image(id), "e2fsck"} {
				wantError(t, stage(t.Context(), n, id, path, c), codes.FailedPrecondition, text)
			}
			if got := host.Content(r.image(id)); got != "" {
				t.Errorf("formatted: %q", got)
			}
		})
	}
}

// TestStaleNote wipes nothing that was formatted, whatever the node's own record
// says, by staging as by unstaging.
func TestStaleNote(t *testing.T) {
	for name, test := range map[string]struct {
		call func(ctx context.Context, n *node, id, path string) error
		gone bool // the pool
		code codes.Code
	}{
		"Stage": {func(ctx context.Context, n *node, id, path string) error {
			return stage(ctx, n, id, path, filesystem(""))
		}, false, codes.OK},
		"Unstage":            {unstage, false, codes.OK},
		"UnstageWithoutPool": {unstage, true, codes.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			r, host := newRig(t), mounttest.New()
			n, id, path := r.staged(host, filesystem(""))
			image := r.image(id)
			rec, _, err := n.current(id)
			must(t, err)
			must(t, host.Unmount(path))
			host.Reboot()
			rec.Formatting = true
			must(t, n.records.save(rec))
			if test.gone {
				must(t, os.Rename(n.path, n.path+"-away"))
			}
			wantCode(t, test.call(t.Context(), n, id, path), test.code)
			if got := host.Content(image); got != "ext4" {
				t.Errorf("content %q", got)
			}
			rec, err = n.records.load(id)
			if err != nil || test.gone && rec == nil {
				t.Errorf("the record is %+v, %v", rec, err)
			}
		})
	}
}
