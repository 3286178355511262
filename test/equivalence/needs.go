// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import "slices"

// needs are all rights that the code of the sidecars of w may use, whatever
// their flags. It is what an account may have beyond the recorded facts.
func needs(w Workload) []string {
	var all []string
	for role, container := range w.Containers {
		all = append(all, needsOf(role)...)
		if electsLeader(container) {
			elections := rights(leaseResource, "create", "get", "update")
			all = slices.Concat(all, elections, limited(elections, in(ownNamespace)))
		}
	}
	return all
}

func needsOf(role string) []string {
	switch role {
	case provisioner:
		return slices.Concat(
			read("core/nodes", "core/persistentvolumeclaims", "core/persistentvolumes"),
			read("storage.k8s.io/csinodes", "storage.k8s.io/storageclasses", "storage.k8s.io/volumeattachments"),
			read("snapshot.storage.k8s.io/volumesnapshots"),
			rights("core/persistentvolumeclaims", "update"),
			rights("core/persistentvolumes", "create", "delete", "patch"),
			rights("core/secrets", "get"),
			rights("snapshot.storage.k8s.io/volumesnapshotcontents", "get", "list"),
			rights("snapshot.storage.k8s.io/volumesnapshots", "update"),
			rights("storage.k8s.io/volumeattributesclasses", "get"),
			events(),
			limited(capacities(), in(ownNamespace)),
		)
	case attacher:
		return slices.Concat(
			read("core/persistentvolumes", "storage.k8s.io/csinodes", "storage.k8s.io/volumeattachments"),
			rights("core/persistentvolumes", "patch"),
			rights("core/secrets", "get"),
			rights("storage.k8s.io/volumeattachments", "patch"),
			rights("storage.k8s.io/volumeattachments/status", "patch"),
		)
	case resizer:
		return slices.Concat(
			read("core/persistentvolumeclaims", "core/persistentvolumes", "core/pods"),
			read("storage.k8s.io/volumeattributesclasses"),
			rights("core/persistentvolumeclaims/status", "patch"),
			rights("core/persistentvolumes", "patch"),
			rights("core/secrets", "get"),
			events(),
		)
	case snapshotter:
		return slices.Concat(snapshots("snapshot.storage.k8s.io/volumesnapshot"),
			snapshots("groupsnapshot.storage.k8s.io/volumegroupsnapshot"), rights("core/secrets", "get"), events())
	case healthMonitor:
		return slices.Concat(
			read("core/nodes", "core/persistentvolumeclaims", "core/persistentvolumes", "core/pods"),
			rights("core/events", "create", "get", "list", "patch", "watch"),
		)
	default:
		return nil
	}
}

// read are the rights of an informer.
func read(resources ...string) []string {
	var list []string
	for _, resource := range resources {
		list = append(list, rights(resource, "get", "list", "watch")...)
	}
	return list
}

// capacities are rights to publish free space, in the name of the pod's owner.
func capacities() []string {
	return slices.Concat(
		read("storage.k8s.io/csistoragecapacities"),
		rights("storage.k8s.io/csistoragecapacities", "create", "delete", "patch", "update"),
		rights("apps/replicasets", "get"),
		rights("core/pods", "get"),
	)
}

func events() []string {
	return rights("core/events", "create", "list", "patch", "update", "watch")
}

// snapshots are rights on classes and contents of one sort of snapshots.
func snapshots(resource string) []string {
	return slices.Concat(
		read(resource+"classes", resource+"contents"),
		rights(resource+"contents", "patch", "update"),
		rights(resource+"contents/status", "patch", "update"),
	)
}
