// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"slices"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// csiDriver tells Kubernetes how to treat the driver: what the spec says, word for word.
// What it leaves out is left to Kubernetes, but for what the sidecars decide.
func csiDriver(in inputs) *storagev1.CSIDriver {
	spec := in.csiDriverSpec()
	if in.bundled {
		bundledCSIDriver(&spec)
	}
	// Their order means nothing, and cannot be changed.
	slices.SortFunc(spec.VolumeLifecycleModes, func(a, b storagev1.VolumeLifecycleMode) int { return cmp.Compare(b, a) })
	if spec.AttachRequired == nil {
		spec.AttachRequired = new(in.runs(sidecar.Attacher))
	}
	if in.spec.StorageCapacity != nil {
		spec.StorageCapacity = new(in.capacity)
	}
	return &storagev1.CSIDriver{
		TypeMeta:   kind(storagev1.SchemeGroupVersion, "CSIDriver"),
		ObjectMeta: in.cluster(in.driver, ""),
		Spec:       spec,
	}
}

// bundledCSIDriver says how the pool driver is. Every field is claimed, also where it
// says what Kubernetes would assume, so that a foreign edit is undone. Fields that older
// servers do not know are left out: they would refuse the whole object.
func bundledCSIDriver(spec *storagev1.CSIDriverSpec) {
	spec.AttachRequired = new(true)
	spec.VolumeLifecycleModes = []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent}
	spec.StorageCapacity = new(false)
	spec.PodInfoOnMount = new(orDefault(spec.PodInfoOnMount, false))
	spec.FSGroupPolicy = new(orDefault(spec.FSGroupPolicy, storagev1.FileFSGroupPolicy))
	spec.RequiresRepublish = new(orDefault(spec.RequiresRepublish, false))
	spec.SELinuxMount = new(orDefault(spec.SELinuxMount, false))
}
