// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import "slices"

// provisionerReleases are the releases of external-provisioner.
func provisionerReleases() releases {
	return releases{
		oldest: "v5.0.1",
		newest: "v6.4.0",
		flags: slices.Concat(
			throughout(controllerFlags()...),
			throughout(throttleFlags()...),
			throughout(
				"capacity-for-immediate-binding",
				"capacity-ownerref-level",
				"capacity-poll-interval",
				"capacity-threads",
				"cloning-protection-threads",
				"controller-publish-readonly",
				"default-fstype",
				"enable-capacity",
				"enable-pprof",
				"extra-create-metadata",
				"feature-gates",
				"immediate-topology",
				"kube-api-capacity-burst",
				"kube-api-capacity-qps",
				"master",
				"node-deployment",
				"node-deployment-base-delay",
				"node-deployment-immediate-binding",
				"node-deployment-max-delay",
				"prevent-volume-mode-conversion",
				"retry-interval-max",
				"retry-interval-start",
				"strict-topology",
				"timeout",
				"volume-name-prefix",
				"volume-name-uuid-length",
				"worker-threads",
			),
			untilRelease("v5.2.0", klogFlags()...),
			sinceRelease("v5.2.0", componentLogFlags()...),
			// v5.3.0 documents it and yet refuses it: it is registered too late.
			sinceRelease("v6.0.0", "automaxprocs"),
			sinceRelease("v6.3.0", "leader-election-labels", "snapshot-orphan-sweep-interval"),
		),
		gates: slices.Concat(
			throughout(gatesOfAll()...),
			throughout("CrossNamespaceVolumeDataSource", "Topology", "VolumeAttributesClass"),
			untilRelease("v5.1.0", "CSINodeExpandSecret"),
			untilRelease("v6.2.0", "HonorPVReclaimPolicy"),
			sinceRelease("v6.0.0", "ReleaseLeaderElectionOnExit"),
		),
	}
}
