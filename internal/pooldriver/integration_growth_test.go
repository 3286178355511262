// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// TestOfflineExpansion grows the file system when the volume is staged next, and
// once: whoever calls NodeExpandVolume then, as kubelets do, finds it done.
func TestOfflineExpansion(t *testing.T) {
	for name, test := range map[string]struct {
		fsType     string
		size, more int64
	}{
		"XFS":  {"xfs", 300 << 20, 600 << 20},
		"Ext4": {"", testSize, 2 * testSize},
		// Too short for a block group of its own: nobody can use the last MiB.
		"Ext4Tail": {"", 64 << 20, 129 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			checks := spy(t, "e2fsck")
			r := newRealRig(t)
			n := r.node("node-a", mount.NewLinux())
			v := r.volume(filesystem(test.fsType), test.size)
			v.up(n)
			content := writeRandom(t, v.data())
			v.down(n)
			v.expandImage(v.id, test.more)

			v.up(n)
			expandStaged(t, n, v, test.more)
			wantStats(t, n, v, test.more)
			wantContent(t, v.data(), content)
			v.down(n)
			want := 0
			if test.fsType == "" && !mayGrowExt4(t) {
				want = 1
			}
			if got := forced(checks()); got != want {
				t.Errorf("%d forced checks to grow once, want %d: %q", got, want, checks())
			}

			v.up(n)
			expandStaged(t, n, v, test.more)
			wantContent(t, v.data(), content)
			v.down(n)
			if got := forced(checks()); got != want {
				t.Errorf("staging a full file system forced a check: %q", checks())
			}
		})
	}
}

// TestReadOnlyNeverGrows leaves a file system as it is for a reader.
func TestReadOnlyNeverGrows(t *testing.T) {
	checks := spy(t, "e2fsck")
	r := newRealRig(t)
	n := r.node("node-a", mount.NewLinux())
	v := r.volume(filesystem(""), testSize)
	v.up(n)
	content := writeRandom(t, v.data())
	v.down(n)
	v.expandImage(v.id, 2*testSize)

	v.capability = withMode(filesystem(""), reader)
	v.up(n)
	wantStats(t, n, v, testSize)
	wantContent(t, v.data(), content)
	v.down(n)
	if got := forced(checks()); got > 0 {
		t.Errorf("%d forced checks: %q", got, checks())
	}
}

func expandStaged(t *testing.T, n *node, v *volume, size int64) {
	t.Helper()
	reply, err := n.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{
		VolumeId: v.id, VolumePath: v.target, CapacityRange: &csi.CapacityRange{RequiredBytes: size},
	})
	must(t, err)
	if got := reply.GetCapacityBytes(); got != size {
		t.Errorf("expanded to %d bytes, want %d", got, size)
	}
}

// spy puts a program before the real one in the path. The result returns how it was
// called until now, a line a call.
func spy(t *testing.T, name string) (calls func() []string) {
	t.Helper()
	program, err := exec.LookPath(name)
	must(t, err)
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nexec %s \"$@\"\n", log, program)
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		content, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(content)), "\n")
	}
}

// forced counts the calls of e2fsck that look at the whole file system.
func forced(calls []string) int {
	count := 0
	for _, call := range calls {
		if strings.Contains(call, "-f") {
			count++
		}
	}
	return count
}
