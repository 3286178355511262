// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// TestCreateSweeps clears the pool while the controller runs, and not at each call.
func TestCreateSweeps(t *testing.T) {
	r := newRig(t)
	now := time.Now()
	r.controller.sweeps.now = func() time.Time { return now }
	r.create("first", filesystem(""))
	leave := func() string {
		t.Helper()
		path := filepath.Join(r.dir, "pool", "tmp", "state-0b1c2d3e-0000-4000-8000-0123456789ab")
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Chtimes(path, time.Time{}, now.Add(-24*time.Hour)))
		return path
	}
	left := leave()
	now = now.Add(sweepEvery - time.Second)
	r.create("second", filesystem(""))
	if _, err := os.Lstat(left); err != nil {
		t.Errorf("swept too early: %v", err)
	}
	now = now.Add(time.Second)
	r.create("third", filesystem(""))
	if _, err := os.Lstat(left); !os.IsNotExist(err) {
		t.Errorf("not swept: %v", err)
	}
}

// TestCreateUnfinished has the provisioner ask again for what may be half-made.
func TestCreateUnfinished(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want codes.Code
	}{
		"Unknown": {errors.New("input/output error"), codes.Aborted},
		"Corrupt": {pool.ErrCorrupt, codes.Aborted},
		"Race":    {pool.ErrBusy, codes.Aborted},
		"Space":   {pool.ErrNoSpace, codes.ResourceExhausted},
		"Range":   {pool.ErrRange, codes.OutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			if got := status.Code(unfinished(test.err)); got != test.want {
				t.Errorf("code %s, want %s", got, test.want)
			}
		})
	}
}

// TestCreateFails in the middle: the answer must not be final.
func TestCreateFails(t *testing.T) {
	r := newRig(t)
	r.create("first", filesystem(""))
	must(t, os.Remove(filepath.Join(r.dir, "pool", "tmp")))
	_, err := r.controller.CreateVolume(t.Context(), createReq("second", filesystem("")))
	wantCode(t, err, codes.Aborted)
}
