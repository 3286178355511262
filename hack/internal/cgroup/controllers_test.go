// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/mounts"
)

// group makes a folder that has a group's files of version 2; the kernel would
// make them.
func group(t *testing.T, dir, controllers, enabled string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"cgroup.controllers": controllers, "cgroup.subtree_control": enabled,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// written returns what was written to enable controllers below dir.
func written(t *testing.T, dir string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func TestMakeEnablesControllersDownToTheParent(t *testing.T) {
	root := t.TempDir()
	cluster, node := filepath.Join(root, "cluster"), filepath.Join(root, "cluster", "node")
	group(t, root, "cpu memory pids", "cpu memory")
	group(t, cluster, "cpu memory pids", "")
	group(t, node, "cpu memory pids", "")
	dirs, err := makeIn([]mounts.Mount{{Point: root, FSType: version2}}, "cluster/node", []string{"init", "runtime"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{node}, dirs); diff != "" {
		t.Errorf("folders: -want, +got:\n%s", diff)
	}
	got := map[string]string{"root": written(t, root), "cluster": written(t, cluster), "node": written(t, node)}
	want := map[string]string{
		"root": "+pids", "cluster": "+cpu +memory +pids",
		"node": "", // its first process has to enter it and to leave it before
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("controllers: -want, +got:\n%s", diff)
	}
	for _, leaf := range []string{"init", "runtime"} {
		if info, err := os.Stat(filepath.Join(node, leaf)); err != nil || !info.IsDir() {
			t.Errorf("the group %s: %v", leaf, err)
		}
	}
}

func TestMakeLeavesControllersWhereLimitsAreOfVersion1(t *testing.T) {
	old, hybrid := t.TempDir(), t.TempDir()
	group(t, hybrid, "hugetlb", "")
	if err := os.WriteFile(filepath.Join(old, "cpuset.cpus"), []byte("0-1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	hierarchies := []mounts.Mount{{Point: old, FSType: "cgroup"}, {Point: hybrid, FSType: version2}}
	dirs, err := makeIn(hierarchies, "node", []string{"init"})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "init")); err != nil {
			t.Error(err)
		}
	}
	if got := written(t, hybrid); got != "" {
		t.Errorf("wrote %q", got)
	}
}

func TestEnableInRoots(t *testing.T) {
	version1 := mounts.Mount{Point: "/no/such/hierarchy", FSType: "cgroup"}
	cases := map[string]struct {
		others          []mounts.Mount
		enabled, writes string
	}{
		"None":    {writes: "+cpuset +cpu +memory"},
		"Some":    {enabled: "cpu", writes: "+cpuset +memory"},
		"All":     {enabled: "memory cpuset cpu", writes: "memory cpuset cpu"},
		"Hybrids": {others: []mounts.Mount{version1}, writes: ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			group(t, dir, "cpuset cpu memory", tc.enabled)
			if err := EnableInRoots(append(tc.others, mounts.Mount{Point: dir, FSType: version2})); err != nil {
				t.Fatal(err)
			}
			if got := written(t, dir); got != tc.writes {
				t.Errorf("the file holds %q, want %q", got, tc.writes)
			}
		})
	}
}

func TestEnableNeedsVersion2(t *testing.T) {
	dir := t.TempDir()
	if err := enable(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v does not name the folder", err)
	}
}
