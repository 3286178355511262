// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// resizer grows and changes volumes: ControllerExpandVolume, ControllerModifyVolume, and
// what a claim needs to be told when only the node grows something.
//
// By default it does not hold back while a volume is in use: for that it would watch all
// pods of the cluster.
func resizer() Sidecar {
	return Sidecar{
		Role:       Resizer,
		Name:       "csi-resizer",
		Repository: registry + "csi-resizer",
		versions:   pins{34: "v1.13.1", 35: "v2.0.0", 36: "v2.1.0", 37: "v2.2.0"},
		Placements: []Placement{Controller},
		adapt:      adaptResizer,
		own: func(s Settings) []string {
			return []string{timeout(s), "--handle-volume-inuse-error=false"}
		},
		Port:       9811,
		PortName:   "resizer",
		HealthPath: leaderHealth,
		Rules: func(u Use) []rbacv1.PolicyRule {
			return slices.Concat(
				[]rbacv1.PolicyRule{
					allow(core, "persistentvolumes", "get", "list", "watch", "patch"),
					allow(core, "persistentvolumeclaims", "get", "list", "watch"),
					allow(core, "persistentvolumeclaims/status", "patch"),
					reportEvents(),
				},
				rulesIf(u.on("handle-volume-inuse-error", true), allow(core, "pods", "get", "list", "watch")),
				rulesIf(u.Capabilities[ModifyVolume], allow(storage, "volumeattributesclasses", "get", "list", "watch")),
				readSecrets(u),
			)
		},
		NamespaceRules: noRules,
		Lease:          func(driver string) string { return leaseName("external-resizer-", driver) },
		releases:       resizerReleases(),
	}
}

// adaptResizer knows that a driver that cannot grow volumes was none to csi-resizer before
// v2.1.0, also if it can modify them.
func adaptResizer(s *Sidecar) {
	wanted, text := []string{ControllerExpand, NodeExpand, ModifyVolume}, "any of "+ControllerExpand+", "+NodeExpand+" and "+ModifyVolume
	if before(s.Version, "v2.1.0") {
		wanted, text = []string{ControllerExpand, NodeExpand}, "any of "+ControllerExpand+" and "+NodeExpand
	}
	s.Needed = func(c Capabilities) bool { return c[ControllerService] && c.Any(wanted...) }
	s.Lacks = func(c Capabilities) string {
		if c[ControllerService] && c.Any(wanted...) {
			return ""
		}
		return text
	}
}

// ServesAttributesClasses tells whether the version of a provisioner or resizer knows
// VolumeAttributesClasses of storage.k8s.io/v1, and from which version on it does.
func (s Sidecar) ServesAttributesClasses() (serves bool, since string) {
	since = map[Role]string{Provisioner: "v6.0.0", Resizer: "v2.0.0"}[s.Role]
	return since == "" || !before(s.Version, since), since
}
