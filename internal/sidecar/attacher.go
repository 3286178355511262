// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// attacher serves VolumeAttachments: ControllerPublishVolume and
// ControllerUnpublishVolume.
func attacher() Sidecar {
	const port = 9810
	return Sidecar{
		Name:       "csi-attacher",
		Repository: "registry.k8s.io/sig-storage/csi-attacher",
		Version:    "v4.12.0",
		Placements: []Placement{Controller},
		Args:       func(Settings) []string { return elected(port, "--timeout=60s") },
		Env:        electionEnv(),
		Port:       port,
		PortName:   "attacher",
		Liveness:   leaderProbe(port),
		Rules: []rbacv1.PolicyRule{
			allow(core, "persistentvolumes", "get", "list", "watch", "patch"),
			allow(storage, "csinodes", "get", "list", "watch"),
			allow(storage, "volumeattachments", "get", "list", "watch", "patch"),
			allow(storage, "volumeattachments/status", "patch"),
		},
		Lease: func(driver string) string { return leaseName("external-attacher-leader-", driver) },
	}
}
