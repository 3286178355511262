// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package node runs one node of the cluster: a set of Linux namespaces with a
// containerd and a kubelet in it, on the machine's own kernel and root file system.
package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

// Mount is one mount that a node has of its own.
type Mount struct {
	// Source is a folder of the machine; empty is an empty tmpfs.
	Source string `json:"source,omitempty"`
	Target string `json:"target"`
}

// Mounts returns what hides the machine's folders from the node called name.
// What lies in a tmpfs does not survive a reboot of the node, the rest does.
func Mounts(paths plan.Paths, name string) []Mount {
	own := func(folder, target string) Mount {
		return Mount{Source: filepath.Join(paths.Node(name), folder), Target: target}
	}
	return []Mount{
		own("kubelet", "/var/lib/kubelet"),
		own("containerd", "/var/lib/containerd"),
		own("cni", "/var/lib/cni"),
		own("etc-cni", "/etc/cni"),
		own("opt", "/opt"),
		own("log-pods", "/var/log/pods"),
		own("log-containers", "/var/log/containers"),
		{Target: "/run/containerd"},
		{Target: "/run/netns"},
		{Source: plan.PoolsDir, Target: plan.PoolsDir},
	}
}

// MountPoints returns the folders that must exist on the machine so that a node
// can mount over them.
func MountPoints() []string {
	var points []string
	for _, m := range Mounts(plan.Paths{}, "") {
		points = append(points, m.Target)
	}
	return points
}

// Hides returns an error if a node cannot see the machine's file at path, since
// it has a folder of its own there.
func Hides(path string) error {
	for _, point := range MountPoints() {
		if path == point || strings.HasPrefix(path, point+"/") {
			return fmt.Errorf("%q lies in %q, of which each node has its own: choose another folder", path, point)
		}
	}
	return nil
}

// ControlGroup is the control group of all processes of the node called name.
func ControlGroup(name string) string { return filepath.Join(plan.Control, name) }

// The groups below that of the node: a group with processes of its own cannot
// have groups with limits below it, in version 2.
const (
	// initGroup is for the first process.
	initGroup = "init"
	// runtimeGroup is for containerd and the kubelet; the containers are in
	// groups that containerd makes next to it.
	runtimeGroup = "runtime"
)

func makeFolders(mounts []Mount) error {
	for _, m := range mounts {
		if m.Source == "" {
			continue
		}
		if err := os.MkdirAll(m.Source, 0o755); err != nil {
			return err
		}
	}
	return nil
}
