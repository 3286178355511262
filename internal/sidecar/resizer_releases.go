// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// resizerReleases are the releases of external-resizer.
func resizerReleases() releases {
	return releases{
		oldest: "v1.11.1",
		newest: "v2.3.0",
		flags: slices.Concat(
			throughout(controllerFlags()...),
			throughout(throttleFlags()...),
			throughout(componentLogFlags()...),
			throughout(
				"feature-gates",
				"handle-volume-inuse-error",
				"master",
				"resync-period",
				"retry-interval-max",
				"retry-interval-start",
				"timeout",
				"workers",
			),
			sinceRelease("v1.13.0", "extra-modify-metadata"),
			sinceRelease("v1.14.0", "automaxprocs"),
			// v2.1.0 has a library that panics over it.
			sinceRelease("v2.2.0", "leader-election-labels"),
			sinceRelease("v2.3.0", "modify-timeout", "resize-timeout"),
		),
		gates: slices.Concat(
			throughout(gatesOfAll()...),
			throughout("AnnotateFsResize", "VolumeAttributesClass"),
			sinceRelease("v2.0.0", "ReleaseLeaderElectionOnExit"),
			untilRelease("v2.3.0", "RecoverVolumeExpansionFailure"),
		),
	}
}
