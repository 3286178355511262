// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// AttacherContainer is the name of the attacher's container.
const AttacherContainer = "csi-attacher"

// attacher serves VolumeAttachments: ControllerPublishVolume and
// ControllerUnpublishVolume. For a driver without these calls it says of each
// attachment at once that it is done.
func attacher() Sidecar {
	return Sidecar{
		Role:       Attacher,
		Name:       AttacherContainer,
		Repository: registry + "csi-attacher",
		versions:   pins{34: "v4.8.0", 35: "v4.10.0", 36: "v4.11.0", 37: "v4.12.0"},
		Placements: []Placement{Controller},
		Needed:     func(c Capabilities) bool { return c[PublishVolume] },
		Lacks:      nothing,
		own:        func(s Settings) []string { return []string{timeout(s)} },
		Port:       9810,
		PortName:   "attacher",
		HealthPath: leaderHealth,
		Rules: func(u Use) []rbacv1.PolicyRule {
			return slices.Concat([]rbacv1.PolicyRule{
				allow(core, "persistentvolumes", "get", "list", "watch", "patch"),
				allow(storage, "csinodes", "get", "list", "watch"),
				allow(storage, "volumeattachments", "get", "list", "watch", "patch"),
				allow(storage, "volumeattachments/status", "patch"),
				allow(core, "events", "create", "patch"), // of its election
			}, readSecrets(u))
		},
		NamespaceRules: noRules,
		Lease:          func(driver string) string { return leaseName("external-attacher-leader-", driver) },
		releases:       attacherReleases(),
	}
}
