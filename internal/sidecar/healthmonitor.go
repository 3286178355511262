// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// healthMonitor tells by events on claims that volumes are in a bad condition. Releases
// up to v0.18 ask for VOLUME_CONDITION, which CSI 1.13 has dropped, and end without it.
func healthMonitor() Sidecar {
	return Sidecar{
		Role:       HealthMonitor,
		Name:       "csi-external-health-monitor-controller",
		Repository: registry + "csi-external-health-monitor-controller",
		Version:    "v0.18.0",
		Placements: []Placement{Controller},
		Needed:     func(c Capabilities) bool { return lacksForHealth(c) == "" },
		Lacks:      lacksForHealth,
		own:        func(s Settings) []string { return given("--timeout", s.Timeout) },
		Port:       9813,
		PortName:   "health-monitor",
		HealthPath: leaderHealth,
		Rules: func(Use) []rbacv1.PolicyRule {
			return []rbacv1.PolicyRule{
				allow(core, "persistentvolumes", "get", "list", "watch"),
				allow(core, "persistentvolumeclaims", "get", "list", "watch"),
				allow(core, "nodes", "get", "list", "watch"),
				allow(core, "pods", "get", "list", "watch"),
				allow(core, "events", "get", "list", "watch", "create", "patch"),
			}
		},
		NamespaceRules: noRules,
		Lease:          func(driver string) string { return leaseName("external-health-monitor-leader-", driver) },
		releases:       healthMonitorReleases(),
	}
}

func lacksForHealth(c Capabilities) string {
	switch {
	case !c[VolumeCondition]:
		return VolumeCondition
	case !c.Any(ListVolumes, GetVolume):
		return "any of " + ListVolumes + " and " + GetVolume
	default:
		return ""
	}
}
