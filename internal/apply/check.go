// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// ownership holds the objects with a name of the user's choice that exist and
// are ours.
type ownership map[Object]bool

// forced says whether fields may be taken from other writers. An object whose
// name carries our hash is ours. One with a name that anybody may choose, and
// that was not there when check looked, may have come up since.
func (o ownership) forced(intent client.Object) bool {
	return !nameIsFree(intent) || o[identify(intent)]
}

// nameIsFree is true for kinds whose names users choose.
func nameIsFree(intent client.Object) bool {
	gvk := intent.GetObjectKind().GroupVersionKind()
	return gvk.Group == storagev1.GroupName && (gvk.Kind == "CSIDriver" || gvk.Kind == "StorageClass")
}

// check looks at what would make an apply half a one, before the first write.
func (a *Applier) check(ctx context.Context, set desired.Set) (ownership, error) {
	ours := ownership{}
	for _, o := range set.Objects {
		if !nameIsFree(o.Intent) {
			continue
		}
		owner, exists, err := a.ownerOf(ctx, o.Intent.GroupVersionKind(), o.Intent.GetName())
		switch {
		case err != nil:
			return nil, err
		case exists && owner != set.Driver:
			return nil, &ConflictError{Object: identify(o.Intent), Owner: owner}
		case exists:
			ours[identify(o.Intent)] = true
		}
	}
	return ours, a.checkNamespace(ctx, set.Namespace)
}

// ownerOf reads the label that names the owner of an object of cluster scope.
// That it exists the cache may say; that it does not, only the API server.
func (a *Applier) ownerOf(ctx context.Context, gvk schema.GroupVersionKind, name string) (owner string, exists bool, err error) {
	for _, reader := range []client.Reader{a.client, a.live} {
		m := metadata(gvk)
		err := reader.Get(ctx, client.ObjectKey{Name: name}, m)
		if err == nil {
			return m.Labels[v1alpha1.LabelDeployment], true, nil
		}
		if !apierrors.IsNotFound(err) {
			return "", false, fmt.Errorf("reading %s %q: %w", gvk.Kind, name, err)
		}
	}
	return "", false, nil
}

func (a *Applier) checkNamespace(ctx context.Context, name string) error {
	m := metadata(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := a.client.Get(ctx, client.ObjectKey{Name: name}, m)
	switch {
	case apierrors.IsNotFound(err):
		return &NamespaceError{Name: name}
	case err != nil:
		return fmt.Errorf("reading namespace %q: %w", name, err)
	case m.DeletionTimestamp != nil:
		return &NamespaceError{Name: name, Terminating: true}
	default:
		return nil
	}
}

func metadata(gvk schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(gvk)
	return m
}
