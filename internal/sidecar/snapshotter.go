// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// SnapshotterContainer is the name of the snapshotter's container.
const SnapshotterContainer = "csi-snapshotter"

// snapshotter makes snapshots and deletes them, also of groups of volumes. It works with
// the snapshot-controller of the cluster, which the operator does not install.
func snapshotter() Sidecar {
	return Sidecar{
		Role:       Snapshotter,
		Name:       SnapshotterContainer,
		Repository: registry + "csi-snapshotter",
		versions:   pins{34: "v8.3.0", 35: "v8.4.0", 36: "v8.5.0", 37: "v8.6.0"},
		Placements: []Placement{Controller, Node},
		Needed:     func(c Capabilities) bool { return c[CreateSnapshot] },
		Lacks: func(c Capabilities) string {
			if c[CreateSnapshot] {
				return ""
			}
			return CreateSnapshot
		},
		own: func(s Settings) []string {
			list := []string{timeout(s)}
			if s.PerNode {
				list = append(list, "--node-deployment")
			}
			return list
		},
		Port:           9812,
		PortName:       "snapshotter",
		HealthPath:     leaderHealth,
		Rules:          snapshotterRules,
		NamespaceRules: noRules,
		Lease:          func(driver string) string { return leaseName("external-snapshotter-leader-", driver) },
		releases:       snapshotterReleases(),
	}
}

func snapshotterRules(u Use) []rbacv1.PolicyRule {
	return slices.Concat(
		[]rbacv1.PolicyRule{
			reportEvents(),
			allow(snapshots, "volumesnapshotclasses", "get", "list", "watch"),
			allow(snapshots, "volumesnapshotcontents", "get", "list", "watch", "update", "patch"),
			allow(snapshots, "volumesnapshotcontents/status", "update", "patch"),
		},
		rulesIf(u.Capabilities[GroupSnapshot],
			allow(groupSnapshot, "volumegroupsnapshotclasses", "get", "list", "watch"),
			allow(groupSnapshot, "volumegroupsnapshotcontents", "get", "list", "watch", "update", "patch"),
			allow(groupSnapshot, "volumegroupsnapshotcontents/status", "update", "patch")),
		readSecrets(u),
	)
}

// GroupSnapshotGate has csi-snapshotter look for the kinds of group snapshots, which it does
// once, at its start. Not every version that knows the gate has it on by itself, and a
// change of it starts the sidecar anew when the kinds come.
const GroupSnapshotGate = "CSIVolumeGroupSnapshot"
