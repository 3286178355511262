// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// snapshotterReleases are the releases of csi-snapshotter, the sidecar of
// external-snapshotter.
func snapshotterReleases() releases {
	return releases{
		oldest: "v8.0.1",
		newest: "v8.7.0",
		flags: slices.Concat(
			throughout(controllerFlags()...),
			throughout(throttleFlags()...),
			throughout(
				"extra-create-metadata",
				"groupsnapshot-name-prefix",
				"groupsnapshot-name-uuid-length",
				"node-deployment",
				"resync-period",
				"retry-interval-max",
				"retry-interval-start",
				"snapshot-name-prefix",
				"snapshot-name-uuid-length",
				"timeout",
				"worker-threads",
			),
			untilRelease("v8.2.0", "enable-volume-group-snapshots"),
			sinceRelease("v8.2.0", "feature-gates"),
			untilRelease("v8.3.0", klogFlags()...),
			sinceRelease("v8.3.0", componentLogFlags()...),
			sinceRelease("v8.3.0", "automaxprocs"),
			sinceRelease("v8.5.0", "leader-election-labels"),
		),
		// Before v8.2.0 it had no gate and no flag for one.
		gates: slices.Concat(
			sinceRelease("v8.2.0", gatesOfAll()...),
			sinceRelease("v8.2.0", "CSIVolumeGroupSnapshot"),
			sinceRelease("v8.4.0", "ReleaseLeaderElectionOnExit"),
		),
	}
}
