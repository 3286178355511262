// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// holder is something that keeps a deleted driver.
type holder struct {
	object func(*driver) client.Object
	// goes are the kinds of objects that are removed all the same.
	goes []string
	// condition, reason and message that tell of it.
	condition, reason, message string
}

func holders() []holder {
	return []holder{
		{
			object:    volume,
			condition: v1alpha1.ConditionDeletionBlocked, reason: v1alpha1.ReasonVolumesExist, message: "1 PersistentVolume and 0 VolumeAttachments",
		},
		{
			object:    func(d *driver) client.Object { return pod(d, v1alpha1.ComponentController) },
			goes:      []string{"StorageClass", "Deployment", "PodDisruptionBudget"},
			condition: v1alpha1.ConditionApplied, reason: v1alpha1.ReasonDeleting, message: "waiting for Pod",
		},
		{
			object:    func(d *driver) client.Object { return pod(d, v1alpha1.DefaultNodePool) },
			goes:      []string{"StorageClass", "Deployment", "PodDisruptionBudget", "DaemonSet"},
			condition: v1alpha1.ConditionApplied, reason: v1alpha1.ReasonDeleting, message: "waiting for Pod",
		},
	}
}

func volume(d *driver) client.Object {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + d.name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: d.name, VolumeHandle: "v1"},
			},
		},
	}
}

func pod(d *driver, component string) client.Object {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-" + d.name, Namespace: d.where(), Labels: desired.Labels(d.name, component)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
}
