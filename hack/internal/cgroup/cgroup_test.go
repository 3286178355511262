// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/csi-operator/csi-operator/hack/internal/mounts"
)

func TestHierarchyOptions(t *testing.T) {
	cases := map[string]struct {
		mount mounts.Mount
		want  string
	}{
		"Controllers": {
			mount: mounts.Mount{FSType: "cgroup", Options: []string{"rw", "cpu", "cpuacct"}}, want: "cpu,cpuacct",
		},
		"Named": {
			mount: mounts.Mount{FSType: "cgroup", Options: []string{"rw", "xattr", "name=systemd"}},
			want:  "xattr,none,name=systemd",
		},
		"Version2": {mount: mounts.Mount{FSType: "cgroup2", Options: []string{"rw", "nsdelegate"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := hierarchyOptions(tc.mount); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestInheritFromTheNearestThatHasSome(t *testing.T) {
	root := t.TempDir()
	inner := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, content := range map[string]string{root: "0-1\n", filepath.Join(root, "a"): "\n", inner: "\n"} {
		if err := os.WriteFile(filepath.Join(dir, "cpuset.cpus"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := initialize(inner); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(inner, "cpuset.cpus"))
	if err != nil || string(got) != "0-1\n" {
		t.Errorf("got %q, %v, want the processors of the root", got, err)
	}
}
