// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// healthMonitorReleases are the releases of the controller of
// external-health-monitor. It has a gate and no flag to set it.
func healthMonitorReleases() releases {
	return releases{
		oldest: "v0.12.0",
		newest: "v0.19.0",
		flags: slices.Concat(
			throughout(controllerFlags()...),
			throughout(componentLogFlags()...),
			throughout(
				"list-volumes-interval",
				"monitor-interval",
				"resync",
				"timeout",
				"volume-list-add-interval",
				"worker-threads",
			),
			sinceRelease("v0.15.0", "automaxprocs"),
			sinceRelease("v0.19.0", throttleFlags()...),
			sinceRelease("v0.19.0", "leader-election-labels"),
			untilRelease("v0.19.0", "enable-node-watcher", "node-list-add-interval"),
		),
	}
}
