// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// registrarReleases are the releases of node-driver-registrar. It has
// no gates.
func registrarReleases() releases {
	return releases{
		oldest: "v2.11.1",
		newest: "v2.17.0",
		flags: slices.Concat(
			throughout(socketFlags()...),
			throughout(componentLogFlags()...),
			throughout(
				"connection-timeout",
				"enable-pprof",
				"health-port",
				"kubelet-registration-path",
				"mode",
				"plugin-registration-path",
				"timeout",
				"version",
			),
			sinceRelease("v2.14.0", "automaxprocs"),
		),
	}
}
