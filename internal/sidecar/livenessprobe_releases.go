// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// livenessProbeReleases are the releases of livenessprobe. It has no gates.
func livenessProbeReleases() releases {
	return releases{
		oldest: "v2.13.0",
		newest: "v2.20.0",
		flags: slices.Concat(
			throughout(socketFlags()...),
			throughout(componentLogFlags()...),
			throughout("health-port", "metrics-address", "metrics-path", "probe-timeout"),
			sinceRelease("v2.16.0", "automaxprocs"),
		),
	}
}
