// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package loopdev

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/csi-operator/csi-operator/hack/internal/mounts"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

func TestUsedOnlyBy(t *testing.T) {
	devices := []Device{{Number: 0}, {Number: 1}, {Number: 10}, {Number: 2}, {Number: 3}}
	table := []mounts.Mount{
		{Root: "/", FSType: "ext4", Source: "/dev/loop0"},
		{Root: "/loop1", FSType: "devtmpfs", Source: "devtmpfs"},
		{Root: "/loop2", FSType: "ext4", Source: "/dev/vda"}, // a folder of that name
		{Root: "/", FSType: "squashfs", Source: "/dev/loop3"},
	}
	machine := []mounts.Mount{{Root: "/", FSType: "squashfs", Source: "/dev/loop3"}}
	want := []Device{{Number: 0}, {Number: 1}}
	if diff := cmp.Diff(want, usedOnlyBy(devices, table, machine), cmpopts.IgnoreUnexported(Device{})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestWithStacked(t *testing.T) {
	attached := []Device{{Number: 3, on: 5}, {Number: 0, on: none}, {Number: 5, on: 0}, {Number: 6, on: none}, {Number: 7, on: 6}}
	got := WithStacked(attached, attached[1:2])
	want := []Device{attached[1], attached[2], attached[0]}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Device{}, fileID{})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestBackedBelowByPath(t *testing.T) {
	devices := []Device{
		{Number: 0, BackingFile: "/pools/a/image (deleted)"},
		{Number: 1, BackingFile: "/pools-of-another/image"},
		{Number: 2, BackingFile: "/gone/image"},
	}
	got, err := BackedBelow(devices, "/pools", "/does/not/exist")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(devices[:1], got, cmp.AllowUnexported(Device{}, fileID{})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestDevice uses a real device, by a path outside of the folder it lies in: a
// kernel's path of a backing file may be of no use. Another device lies on it, as
// on that of a raw block volume.
func TestDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root: run the tests as root, as make test does")
	}
	t.Setenv("PATH", process.SearchPath(os.Getenv("PATH")))
	pools, links := t.TempDir(), t.TempDir()
	image, link := filepath.Join(pools, "image"), filepath.Join(links, "image")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(image, link); err != nil {
		t.Fatal(err)
	}
	path := attach(t, link)
	upper := attach(t, path)

	find := func() []Device {
		attached, err := Attached()
		if err != nil {
			t.Fatal(err)
		}
		found, err := BackedBelow(attached, pools)
		if err != nil {
			t.Fatal(err)
		}
		return WithStacked(attached, found)
	}
	found := find()
	if len(found) != 2 || found[0].Path() != path || found[1].Path() != upper {
		t.Fatalf("found %v, want %s and %s", found, path, upper)
	}
	if err := Detach(t.Context(), found...); err != nil {
		t.Fatal(err)
	}
	if found := find(); len(found) != 0 {
		t.Errorf("found %v after it was detached", found)
	}
	if err := Detach(t.Context(), found...); err != nil {
		t.Errorf("detaching again: %v", err)
	}
}

// attach returns the path of a new device on a file, or on another device.
func attach(t *testing.T, file string) string {
	t.Helper()
	output, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	if err != nil {
		t.Fatalf("attaching: %v: %s", err, output)
	}
	path := strings.TrimSpace(string(output))
	t.Cleanup(func() { _ = exec.Command("losetup", "--detach", path).Run() })
	return path
}
