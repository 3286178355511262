// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
	"github.com/csi-operator/csi-operator/internal/pool"
)

// TestNodeGetInfoWaits lets the pool appear while the node waits for it.
func TestNodeGetInfoWaits(t *testing.T) {
	r := &rig{t: t, dir: t.TempDir()}
	r.mkdir("pool")
	synctest.Test(t, func(t *testing.T) {
		n := r.unregistered("node-a", mounttest.New())
		start := time.Now()
		time.AfterFunc(20*time.Second, func() {
			if _, err := pool.Init(r.config("").PoolPath, testDriver); err != nil {
				t.Error(err)
			}
		})
		info, err := n.NodeGetInfo(t.Context(), &csi.NodeGetInfoRequest{})
		must(t, err)
		if waited := time.Since(start); waited < 20*time.Second || waited > 20*time.Second+infoPoll {
			t.Errorf("waited %s", waited)
		}
		p, err := n.pools.get()
		must(t, err)
		if info.GetNodeId() != "node-a" || info.GetAccessibleTopology().GetSegments()[testDriver+"/pool"] != p.UUID() {
			t.Errorf("got %v", info)
		}
		if _, err := os.Stat(filepath.Join(p.Path(), "nodes", "node-a.json")); err != nil {
			t.Errorf("not registered: %v", err)
		}
	})
}

// TestNodeGetInfoFails after a bounded time, and names node, path and remedy.
func TestNodeGetInfoFails(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		timeout time.Duration // of the call; 0: none
		want    time.Duration
		text    string
	}{
		"NoPool":        {func(*testing.T, string) {}, 0, infoWait, "mount the shared file system at"},
		"NoPoolInTime":  {func(*testing.T, string) {}, 10 * time.Second, 10*time.Second - infoMargin, "on node \"node-a\""},
		"NoTime":        {func(*testing.T, string) {}, infoMargin / 2, 0, "node \"node-a\""},
		"NoDirectory":   {func(t *testing.T, path string) { must(t, os.Remove(path)) }, 0, infoWait, "/pool"},
		"ForeignPool":   {initForeign, 0, 0, "other.example.org"},
		"DamagedPool":   {func(t *testing.T, path string) { must(t, os.WriteFile(path+"/pool.json", []byte("{"), 0o600)) }, 0, 0, "pool.json"},
		"NotADirectory": {func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.WriteFile(path, nil, 0o600)) }, 0, infoWait, "/pool"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{t: t, dir: t.TempDir()}
			test.prepare(t, r.mkdir("pool"))
			synctest.Test(t, func(t *testing.T) {
				n := r.unregistered("node-a", mounttest.New())
				ctx, cancel := t.Context(), func() {}
				if test.timeout > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.timeout)
				}
				defer cancel()
				start := time.Now()
				_, err := n.NodeGetInfo(ctx, &csi.NodeGetInfoRequest{})
				wantError(t, err, codes.FailedPrecondition, test.text)
				if waited := time.Since(start); waited != test.want {
					t.Errorf("waited %s, want %s", waited, test.want)
				}
			})
		})
	}
}

func initForeign(t *testing.T, path string) {
	t.Helper()
	_, err := pool.Init(path, "other.example.org")
	must(t, err)
}

// TestPoolComesAndGoes follows the pool directory through a controller's life.
func TestPoolComesAndGoes(t *testing.T) {
	r := &rig{t: t, dir: t.TempDir()}
	source := r.source(true)
	c, i := newController(r.config(""), source), &identity{name: testDriver, pools: source}
	id := "gone"
	check := func(code codes.Code, text string) {
		t.Helper()
		_, err := i.Probe(t.Context(), &csi.ProbeRequest{})
		wantError(t, err, code, text)
		_, err = c.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: id})
		wantError(t, err, code, text)
		_, err = c.CreateVolume(t.Context(), createReq("volume", filesystem("")))
		wantError(t, err, code, text)
	}
	path := filepath.Join(r.dir, "pool")
	check(codes.FailedPrecondition, path) // not mounted yet
	r.mkdir("pool")
	check(codes.OK, "")
	p, err := source.get()
	must(t, err)
	id = volumeID(p, "gone")
	must(t, os.Rename(path, path+"-away"))
	r.mkdir("pool") // unmounted: the empty directory below
	check(codes.FailedPrecondition, path)
	initSame(t, path) // another pool of this driver
	check(codes.FailedPrecondition, path)
	must(t, os.RemoveAll(path))
	must(t, os.Rename(path+"-away", path))
	check(codes.OK, "")
}

func initSame(t *testing.T, path string) {
	t.Helper()
	_, err := pool.Init(path, testDriver)
	must(t, err)
}

// TestUnstageWithoutPool unmounts although the pool has gone; the marker follows
// when it is back.
func TestUnstageWithoutPool(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, staging := r.staged(host, filesystem(""))
	path := filepath.Join(r.dir, "pool")
	must(t, os.Rename(path, path+"-away"))
	r.mkdir("pool")
	wantCode(t, unstage(t.Context(), n, id, staging), codes.FailedPrecondition)
	if bound := host.Bound(); len(bound) > 0 {
		t.Errorf("still bound: %q", bound)
	}
	must(t, os.Remove(path))
	must(t, os.Rename(path+"-away", path))
	r.node("node-b", mounttest.New())
	must(t, r.revoke(id, "node-a"))
	wantCode(t, r.grant(id, "node-b", filesystem("")), codes.FailedPrecondition)
	must(t, unstage(t.Context(), n, id, staging))
	must(t, r.grant(id, "node-b", filesystem("")))
}
