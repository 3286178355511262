// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// provisioner turns claims into volumes: CreateVolume and DeleteVolume. Beside the node
// service it makes the volumes of its node.
func provisioner() Sidecar {
	return Sidecar{
		Role:       Provisioner,
		Name:       "csi-provisioner",
		Repository: registry + "csi-provisioner",
		versions:   pins{34: "v5.1.0", 35: "v6.0.0", 36: "v6.1.1", 37: "v6.3.0"},
		Placements: []Placement{Controller, Node},
		Needed:     func(c Capabilities) bool { return c[CreateVolume] },
		Lacks:      nothing,
		own:        provisionerFlags,
		Port:       9809,
		PortName:   "provisioner",
		HealthPath: leaderHealth,
		Rules:      provisionerRules,
		NamespaceRules: func(u Use) []rbacv1.PolicyRule {
			return slices.Concat(
				rulesIf(u.on("enable-capacity", false),
					allow(storage, "csistoragecapacities", "get", "list", "watch", "create", "update", "patch", "delete"),
					allow(core, "pods", "get")),
				rulesIf(u.on("enable-capacity", false) && u.OwnedBy == "Deployment", allow("apps", "replicasets", "get")),
			)
		},
		Lease:    func(driver string) string { return leaseName("", driver) },
		releases: provisionerReleases(),
	}
}

// TakesModifySecrets tells whether the version of a provisioner knows the parameters of a
// class that name the Secret for ControllerModifyVolume, and from which version on it does.
// Another parameter with their prefix than those it knows it refuses, with every claim.
func (s Sidecar) TakesModifySecrets() (takes bool, since string) {
	const first = "v6.2.0"
	return s.Role != Provisioner || !before(s.Version, first), first
}

func provisionerFlags(s Settings) []string {
	list := []string{timeout(s)}
	list = append(list, given("--default-fstype", s.DefaultFSType)...)
	if s.PerNode {
		list = append(list, "--node-deployment", "--strict-topology", "--immediate-topology=false")
	}
	if s.Capacity {
		list = append(list, "--enable-capacity", "--capacity-ownerref-level="+ownerLevel(s))
	}
	return list
}

// ownerLevel says how far above the pod the owner of its CSIStorageCapacities is: with a
// Deployment there is a ReplicaSet between them.
func ownerLevel(s Settings) string {
	if s.OwnedBy == "Deployment" {
		return "2"
	}
	return "1"
}

func provisionerRules(u Use) []rbacv1.PolicyRule {
	topology := u.Capabilities[AccessibleTopology] || u.on("enable-capacity", false)
	return slices.Concat(
		[]rbacv1.PolicyRule{
			allow(core, "persistentvolumes", "get", "list", "watch", "create", "patch", "delete"),
			allow(core, "persistentvolumeclaims", "get", "list", "watch", "update"),
			reportEvents(),
			allow(storage, "storageclasses", "get", "list", "watch"),
		},
		// Which nodes reach which storage.
		rulesIf(topology,
			allow(core, "nodes", "get", "list", "watch"),
			allow(storage, "csinodes", "get", "list", "watch")),
		// A volume is deleted only after its last detachment.
		rulesIf(u.Capabilities[PublishVolume], allow(storage, "volumeattachments", "get", "list", "watch")),
		// The source of a volume may be a snapshot, which is kept meanwhile.
		rulesIf(u.Capabilities[CreateSnapshot],
			allow(snapshots, "volumesnapshots", "get", "list", "watch", "update"),
			allow(snapshots, "volumesnapshotcontents", "get", "list")),
		rulesIf(u.Capabilities[ModifyVolume], allow(storage, "volumeattributesclasses", "get")),
		rulesIf(gateOn(u.Args, "CrossNamespaceVolumeDataSource"),
			allow("gateway.networking.k8s.io", "referencegrants", "get", "list", "watch")),
		readSecrets(u),
	)
}
