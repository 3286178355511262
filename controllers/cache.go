// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// CacheOptions decide what of the cluster the operator holds in memory: its own
// objects with their managed fields, by which a plan tells whose is what; of
// others' little more than names. A read of a kind that is not watched fails
// instead of starting a watch unnoticed.
func CacheOptions() (cache.Options, error) {
	owned, err := labels.NewRequirement(v1alpha1.LabelDeployment, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("selecting owned objects: %w", err)
	}
	ours := labels.NewSelector().Add(*owned)
	once := &alike{}
	shared := new(true) // what the cache holds is only read, so it needs no copies
	byObject := map[client.Object]cache.ByObject{
		&corev1.Pod{}:                 {Label: ours, Transform: transform(func(p *corev1.Pod) *corev1.Pod { return once.pod(stripPod(p)) }), UnsafeDisableDeepCopy: shared},
		&storagev1.CSINode{}:          {Transform: transform(func(n *storagev1.CSINode) *storagev1.CSINode { return once.csiNode(stripCSINode(n)) }), UnsafeDisableDeepCopy: shared},
		&corev1.Node{}:                {Transform: transform(func(n *corev1.Node) *corev1.Node { return once.node(stripNode(n)) }), UnsafeDisableDeepCopy: shared},
		&corev1.PersistentVolume{}:    {Transform: transform(stripVolume), UnsafeDisableDeepCopy: shared},
		&storagev1.VolumeAttachment{}: {Transform: transform(stripAttachment), UnsafeDisableDeepCopy: shared},
		&corev1.Namespace{}:           {Transform: stripMeta},
	}
	for _, kind := range desired.Kinds() {
		if slices.Contains(desired.OptionalKinds(), kind) {
			continue // a cache refuses to begin with options for a kind that is not there
		}
		o := bare(kind)
		c := cache.ByObject{Transform: transform(stripOwned), UnsafeDisableDeepCopy: shared}
		if kind.Kind != "CSIDriver" && !desired.IsClass(kind.Kind) { // whose names anybody may choose
			c.Label = ours
		}
		byObject[o] = c
	}
	return cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            stripDefault,
		ByObject:                    byObject,
	}, nil
}

// stripDefault is for the optional kinds of objects that the operator applies, and for the
// CSIDriverDeployments.
func stripDefault(obj any) (any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok && desired.IsClass(u.GetKind()) {
		return stripOwned(u), nil
	}
	if u, ok := obj.(*unstructured.Unstructured); ok && u.GroupVersionKind().Group == snapshotKind.Group {
		return stripSnapshot(u), nil
	}
	if m, ok := obj.(*metav1.PartialObjectMetadata); ok {
		return stripMeta(m)
	}
	return cache.TransformStripManagedFields()(obj)
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
		CreationTimestamp: o.GetCreationTimestamp(),
		DeletionTimestamp: o.GetDeletionTimestamp(),
		Labels:            o.GetLabels(),
	}
	if uid, ok := o.GetAnnotations()[v1alpha1.AnnotationUID]; ok {
		m.Annotations = map[string]string{v1alpha1.AnnotationUID: uid}
	}
	return m
}
