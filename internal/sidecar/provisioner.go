// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// provisioner turns claims into volumes: CreateVolume and DeleteVolume.
//
// Not granted, because the pool driver has no use for them: snapshots (no
// CREATE_DELETE_SNAPSHOT), secrets (its classes name none), VolumeAttributesClasses
// (no MODIFY_VOLUME), ReferenceGrants (alpha and off), CSIStorageCapacities (no
// --enable-capacity).
func provisioner() Sidecar {
	const port = 9809
	return Sidecar{
		Name:       "csi-provisioner",
		Repository: "registry.k8s.io/sig-storage/csi-provisioner",
		Version:    "v6.3.0",
		Placements: []Placement{Controller},
		Args: func(Settings) []string {
			return elected(port, "--timeout=60s", "--default-fstype=ext4")
		},
		Env:      electionEnv(),
		Port:     port,
		PortName: "provisioner",
		Liveness: leaderProbe(port),
		Rules: []rbacv1.PolicyRule{
			allow(core, "persistentvolumes", "get", "list", "watch", "create", "patch", "delete"),
			allow(core, "persistentvolumeclaims", "get", "list", "watch", "update"),
			allow(core, "events", "list", "watch", "create", "update", "patch"),
			allow(storage, "storageclasses", "get", "list", "watch"),
			// Topology: which nodes reach the pool.
			allow(core, "nodes", "get", "list", "watch"),
			allow(storage, "csinodes", "get", "list", "watch"),
			// A volume is deleted only after its last detachment.
			allow(storage, "volumeattachments", "get", "list", "watch"),
		},
		Lease: func(driver string) string { return leaseName("", driver) },
	}
}
