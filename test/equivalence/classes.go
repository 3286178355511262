// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

// defaultClass makes a StorageClass the cluster's default.
const defaultClass = "storageclass.kubernetes.io/is-default-class"

func readCSIDriver(h head, f fields) func(*set) {
	spec := f.tree("spec")
	return func(s *set) { s.facts.CSIDrivers[h.name] = spec }
}

func readStorageClass(h head, f fields) func(*set) {
	class := map[string]any{}
	for _, name := range []string{
		"allowVolumeExpansion", "allowedTopologies", "mountOptions", "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode",
	} {
		if value := take[any](f, name); value != nil {
			class[name] = value
		}
	}
	if h.annotations[defaultClass] == "true" {
		class["default"] = "true"
	}
	return func(s *set) { s.facts.StorageClasses[h.name] = class }
}

func readSnapshotClass(h head, f fields) func(*set) {
	class := map[string]any{}
	for _, name := range []string{"deletionPolicy", "driver", "parameters"} {
		if value := take[any](f, name); value != nil {
			class[name] = value
		}
	}
	return func(s *set) { s.facts.SnapshotClasses[h.name] = class }
}
