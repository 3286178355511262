// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// fsTypeParameter is the one parameter that the bundled driver's classes take;
// csi-provisioner reads it and passes none on.
const fsTypeParameter = "csi.storage.k8s.io/fstype"

// fsTypes are the file systems that the bundled driver makes.
var fsTypes = [...]string{"ext4", "xfs"}

// mountOptions are what the bundled driver allows, as it lists them itself. It
// would refuse another one only when a pod is about to use the volume.
var mountOptions = [...]string{
	"async", "defaults", "dev", "dirsync", "discard", "exec", "lazytime", "noatime", "nodev", "nodiratime",
	"nodiscard", "noexec", "nosuid", "relatime", "ro", "rw", "strictatime", "suid", "sync",
}

// readClasses gives one class where the list is omitted and none where it is
// empty.
func readClasses(d *v1alpha1.CSIDriverDeployment) ([]v1alpha1.StorageClass, error) {
	if d.Spec.StorageClasses == nil {
		return []v1alpha1.StorageClass{{
			Name:                 d.Name,
			VolumeBindingMode:    new(storagev1.VolumeBindingWaitForFirstConsumer),
			AllowVolumeExpansion: new(true),
		}}, nil
	}
	for i, c := range d.Spec.StorageClasses {
		field := fmt.Sprintf("spec.storageClasses[%d]", i)
		if err := checkParameters(field+".parameters", c.Parameters); err != nil {
			return nil, err
		}
		if err := checkMountOptions(field+".mountOptions", c.MountOptions); err != nil {
			return nil, err
		}
	}
	return d.DeepCopy().Spec.StorageClasses, nil
}

func checkParameters(field string, parameters map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		at := fmt.Sprintf("%s[%s]", field, key)
		if key != fsTypeParameter {
			return invalid(at, "is not known to the bundled driver; it takes %s (ext4 or xfs)", fsTypeParameter)
		}
		if value := parameters[key]; !slices.Contains(fsTypes[:], value) {
			return invalid(at, "%q is not a file system that the bundled driver makes; use ext4 or xfs", value)
		}
	}
	return nil
}

func checkMountOptions(field string, options []string) error {
	for i, option := range options {
		if !slices.Contains(mountOptions[:], option) {
			return invalid(fmt.Sprintf("%s[%d]", field, i), "%q is not allowed by the bundled driver; use %s",
				option, strings.Join(mountOptions[:], ", "))
		}
	}
	return nil
}

// storageClass claims what cannot be changed later, also where it says what
// Kubernetes would assume.
func storageClass(in inputs, c v1alpha1.StorageClass) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		TypeMeta:             kind(storagev1.SchemeGroupVersion, "StorageClass"),
		ObjectMeta:           in.cluster(c.Name, ""),
		Provisioner:          in.driver,
		Parameters:           c.Parameters,
		MountOptions:         c.MountOptions,
		ReclaimPolicy:        new(orDefault(c.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)),
		VolumeBindingMode:    new(orDefault(c.VolumeBindingMode, storagev1.VolumeBindingImmediate)),
		AllowVolumeExpansion: c.AllowVolumeExpansion,
	}
}
