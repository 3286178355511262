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

// livenessprobe asks the driver's Probe whenever kubelet asks it. It has no
// probe of its own: one would restart it for a fault of the driver.
func livenessprobe() Sidecar {
	return Sidecar{
		Name:       "livenessprobe",
		Repository: "registry.k8s.io/sig-storage/livenessprobe",
		Version:    "v2.19.0",
		Placements: []Placement{Controller, Node},
		Args:       func(Settings) []string { return common(DriverHealthPort) },
	}
}
