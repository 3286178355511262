// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// healthMonitor tells on claims that volumes are in a bad condition: by events, up to
// v0.18, of drivers with VOLUME_CONDITION, which CSI 1.13 has dropped; and since v0.19 in
// status.healthStatus, of drivers with the calls that CSI 1.13 has instead. It ends at once
// without what it asks for.
func healthMonitor() Sidecar {
	return Sidecar{
		Role:           HealthMonitor,
		Name:           "csi-external-health-monitor-controller",
		Repository:     registry + "csi-external-health-monitor-controller",
		versions:       pins{34: "v0.12.1", 35: "v0.16.0", 36: "v0.17.0", 37: "v0.18.0"},
		adapt:          adaptHealthMonitor,
		Placements:     []Placement{Controller},
		own:            func(s Settings) []string { return given("--timeout", s.Timeout) },
		Port:           9813,
		PortName:       "health-monitor",
		HealthPath:     leaderHealth,
		NamespaceRules: noRules,
		Lease:          func(driver string) string { return leaseName("external-health-monitor-leader-", driver) },
		releases:       healthMonitorReleases(),
	}
}

func adaptHealthMonitor(s *Sidecar) {
	s.Lacks, s.Rules = lacksHealth, healthRules
	if before(s.Version, "v0.19.0") {
		s.Lacks, s.Rules = lacksCondition, conditionRules
	}
	lacks := s.Lacks
	s.Needed = func(c Capabilities) bool { return lacks(c) == "" }
}

func conditionRules(Use) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		allow(core, "persistentvolumes", "get", "list", "watch"),
		allow(core, "persistentvolumeclaims", "get", "list", "watch"),
		allow(core, "nodes", "get", "list", "watch"),
		allow(core, "pods", "get", "list", "watch"),
		allow(core, "events", "get", "list", "watch", "create", "patch"),
	}
}

func healthRules(Use) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		allow(core, "persistentvolumes", "get", "list", "watch"),
		allow(core, "persistentvolumeclaims", "get", "list", "watch"),
		allow(core, "persistentvolumeclaims/status", "patch"),
		allow(core, "events", "create", "patch"), // of its election
	}
}

func lacksCondition(c Capabilities) string {
	switch {
	case !c[VolumeCondition]:
		return VolumeCondition
	case !c.Any(ListVolumes, GetVolume):
		return "any of " + ListVolumes + " and " + GetVolume
	default:
		return ""
	}
}

// lacksHealth wants GET_VOLUME_HEALTH also of a driver with LIST_VOLUME_HEALTH, as CSI does.
func lacksHealth(c Capabilities) string {
	if c[GetVolumeHealth] {
		return ""
	}
	return GetVolumeHealth
}
