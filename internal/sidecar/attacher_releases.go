// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// attacherReleases are the releases of external-attacher.
func attacherReleases() releases {
	return releases{
		oldest: "v4.6.1",
		newest: "v4.13.0",
		flags: slices.Concat(
			throughout(controllerFlags()...),
			throughout(throttleFlags()...),
			throughout(componentLogFlags()...),
			throughout(
				"default-fstype",
				"max-entries",
				"max-grpc-log-length",
				"reconcile-sync",
				"resync",
				"retry-interval-max",
				"retry-interval-start",
				"timeout",
				"worker-threads",
			),
			sinceRelease("v4.9.0", "automaxprocs"),
			sinceRelease("v4.10.0", "feature-gates"),
			sinceRelease("v4.12.0", "leader-election-labels"),
		),
		// Before v4.10.0 it had no gate and no flag for one.
		gates: slices.Concat(
			sinceRelease("v4.10.0", gatesOfAll()...),
			sinceRelease("v4.10.0", "MutableCSINodeAllocatableCount", "ReleaseLeaderElectionOnExit"),
		),
	}
}
