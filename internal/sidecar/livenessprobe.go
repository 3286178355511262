// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

// DriverHealthPort is where livenessprobe answers for the driver, at
// DriverHealthPath. The driver's container declares the port and carries the
// probe: it is the driver that is restarted when the answer is bad.
const (
	DriverHealthPort int32 = 9808
	DriverHealthPath       = "/healthz"
)

// livenessProbe asks the driver's Probe whenever kubelet asks it. It has no
// probe of its own: one would restart it for a fault of the driver.
func livenessProbe() Sidecar {
	return Sidecar{
		Role:           LivenessProbe,
		Name:           "livenessprobe",
		Repository:     registry + "livenessprobe",
		versions:       pins{34: "v2.15.0", 35: "v2.17.0", 36: "v2.18.0", 37: "v2.19.0"},
		Placements:     []Placement{Controller, Node},
		Everywhere:     true,
		Needed:         func(Capabilities) bool { return true },
		Lacks:          nothing,
		own:            func(s Settings) []string { return given("--probe-timeout", s.Timeout) },
		Port:           DriverHealthPort,
		Rules:          noRules,
		NamespaceRules: noRules,
		releases:       livenessProbeReleases(),
	}
}
