// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import storagev1 "k8s.io/api/storage/v1"

// csiDriver tells Kubernetes how to treat the driver. Every field is claimed,
// also where it says what Kubernetes would assume, so that a foreign edit is
// undone. Fields that older servers do not know are left out: they would
// refuse the whole object.
func csiDriver(in inputs) *storagev1.CSIDriver {
	return &storagev1.CSIDriver{
		TypeMeta:   kind(storagev1.SchemeGroupVersion, "CSIDriver"),
		ObjectMeta: in.cluster(in.driver, ""),
		Spec: storagev1.CSIDriverSpec{
			AttachRequired:       new(true),
			PodInfoOnMount:       new(false),
			VolumeLifecycleModes: []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent},
			StorageCapacity:      new(false),
			FSGroupPolicy:        new(storagev1.FileFSGroupPolicy),
			RequiresRepublish:    new(false),
			SELinuxMount:         new(false),
		},
	}
}
