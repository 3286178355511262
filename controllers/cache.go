// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// CacheOptions decide what of the cluster the operator holds in memory: of its
// own objects what health reads, of others' little more than names. A read of
// a kind that is not watched fails instead of starting a watch unnoticed.
func CacheOptions() (cache.Options, error) {
	owned, err := labels.NewRequirement(v1alpha1.LabelDeployment, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("selecting owned objects: %w", err)
	}
	ours := labels.NewSelector().Add(*owned)
	meta := cache.ByObject{Transform: stripMeta}
	ownedMeta := cache.ByObject{Label: ours, Transform: stripMeta}
	shared := new(true) // lists are only read, so they need no copies
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}:          {Label: ours, Transform: transform(stripDeployment)},
			&appsv1.DaemonSet{}:           {Label: ours, Transform: transform(stripDaemonSet)},
			&corev1.Pod{}:                 {Label: ours, Transform: transform(stripPod), UnsafeDisableDeepCopy: shared},
			&storagev1.CSINode{}:          {Transform: transform(stripCSINode), UnsafeDisableDeepCopy: shared},
			&corev1.PersistentVolume{}:    {Transform: transform(stripVolume), UnsafeDisableDeepCopy: shared},
			&storagev1.VolumeAttachment{}: {Transform: transform(stripAttachment), UnsafeDisableDeepCopy: shared},

			&corev1.ServiceAccount{}:     ownedMeta,
			&rbacv1.Role{}:               ownedMeta,
			&rbacv1.RoleBinding{}:        ownedMeta,
			&rbacv1.ClusterRole{}:        ownedMeta,
			&rbacv1.ClusterRoleBinding{}: ownedMeta,
			&storagev1.CSIDriver{}:       meta,
			&storagev1.StorageClass{}:    meta,
			&corev1.Namespace{}:          meta,
		},
	}, nil
}

// transform makes a strip function of one type a transform of a cache. Other
// objects, which stand for deleted ones, pass as they are.
func transform[T client.Object](strip func(T) T) func(any) (any, error) {
	return func(obj any) (any, error) {
		if o, ok := obj.(T); ok {
			return strip(o), nil
		}
		return obj, nil
	}
}

// stripMeta leaves of an object that is cached as metadata what ownership
// needs.
func stripMeta(obj any) (any, error) {
	if m, ok := obj.(*metav1.PartialObjectMetadata); ok {
		m.ObjectMeta = identity(m)
	}
	return obj, nil
}

// identity is the metadata that every cached object keeps.
func identity(o client.Object) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Name:              o.GetName(),
		Namespace:         o.GetNamespace(),
		UID:               o.GetUID(),
		ResourceVersion:   o.GetResourceVersion(),
		Generation:        o.GetGeneration(),
		DeletionTimestamp: o.GetDeletionTimestamp(),
		Labels:            o.GetLabels(),
	}
	if uid, ok := o.GetAnnotations()[v1alpha1.AnnotationUID]; ok {
		m.Annotations = map[string]string{v1alpha1.AnnotationUID: uid}
	}
	return m
}
