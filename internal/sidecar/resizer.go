// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// resizer grows volumes: ControllerExpandVolume.
//
// It would watch all pods of the cluster to hold back while a volume is in
// use; the pool driver expands online, so that this is off and not granted.
func resizer() Sidecar {
	const port = 9811
	return Sidecar{
		Name:       "csi-resizer",
		Repository: "registry.k8s.io/sig-storage/csi-resizer",
		Version:    "v2.2.0",
		Placements: []Placement{Controller},
		Args: func(Settings) []string {
			return elected(port, "--timeout=60s", "--handle-volume-inuse-error=false")
		},
		Env:      electionEnv(),
		Port:     port,
		PortName: "resizer",
		Liveness: leaderProbe(port),
		Rules: []rbacv1.PolicyRule{
			allow(core, "persistentvolumes", "get", "list", "watch", "patch"),
			allow(core, "persistentvolumeclaims", "get", "list", "watch"),
			allow(core, "persistentvolumeclaims/status", "patch"),
			allow(core, "events", "list", "watch", "create", "update", "patch"),
		},
		Lease: func(driver string) string { return leaseName("external-resizer-", driver) },
	}
}
