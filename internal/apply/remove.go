// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// page is how many objects one live read asks for.
const page = 500

// Owned lists by live reads the objects of the given kinds that carry the
// driver's label, in every namespace and by kind.
func (a *Applier) Owned(ctx context.Context, driver string, kinds ...schema.GroupVersionKind) ([]metav1.PartialObjectMetadata, error) {
	found := make([][]metav1.PartialObjectMetadata, len(kinds))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, kind := range kinds {
		group.Go(func() (err error) {
			found[i], err = a.list(ctx, driver, kind)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

func (a *Applier) list(ctx context.Context, driver string, kind schema.GroupVersionKind) ([]metav1.PartialObjectMetadata, error) {
	var all []metav1.PartialObjectMetadata
	next := ""
	for {
		list := metadataList(kind)
		err := a.live.List(ctx, list, client.MatchingLabels(desired.Selector(driver)), client.Limit(page), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("listing every %s of driver %q: %w", kind.Kind, driver, err)
		}
		for _, m := range list.Items {
			m.SetGroupVersionKind(kind)
			all = append(all, m)
		}
		if next = list.Continue; next == "" {
			return all, nil
		}
	}
}

// Delete deletes objects at once, their dependents in the background. An
// object that is gone, or that was made anew since it was read, is no error.
func (a *Applier) Delete(ctx context.Context, objects []metav1.PartialObjectMetadata) error {
	results := make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range objects {
		group.Go(func() error {
			results[i] = a.delete(ctx, &objects[i])
			return nil
		})
	}
	_ = group.Wait() // each error is in results
	return errors.Join(results...)
}

func (a *Applier) delete(ctx context.Context, m client.Object) error {
	uid := m.GetUID()
	err := a.client.Delete(ctx, m, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting %s: %w", plan.RefOf(m), err)
	}
	return nil
}

// Release takes our labels off objects, which then belong to nobody. An object that
// is gone is no error, nor is a role or binding with rights that the operator does not
// hold, of which it may not even change a label: their names are of no use to others.
func (a *Applier) Release(ctx context.Context, objects []metav1.PartialObjectMetadata) error {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"labels":      map[string]any{v1alpha1.LabelDeployment: nil, v1alpha1.LabelComponent: nil, v1alpha1.LabelManagedBy: nil},
		"annotations": map[string]any{v1alpha1.AnnotationUID: nil},
	}})
	if err != nil {
		return fmt.Errorf("encoding a patch: %w", err)
	}
	results := make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range objects {
		group.Go(func() error {
			ref := plan.RefOf(&objects[i])
			if err := a.client.Patch(ctx, &objects[i], client.RawPatch(types.MergePatchType, text), client.FieldOwner(v1alpha1.FieldOwner)); client.IgnoreNotFound(err) != nil && !unchangeable(&objects[i], err) {
				results[i] = fmt.Errorf("taking our labels off %s: %w", ref, err)
			}
			return nil
		})
	}
	_ = group.Wait() // each error is in results
	return errors.Join(results...)
}

func unchangeable(m *metav1.PartialObjectMetadata, err error) bool {
	return m.GroupVersionKind().Group == rbacv1.GroupName && apierrors.IsForbidden(err)
}

// DeleteLeases deletes the leader Leases of the driver's sidecars, which carry
// no label. A Lease that a pod of someone else holds is left alone.
func (a *Applier) DeleteLeases(ctx context.Context, driver, namespace string) error {
	holders := desired.NamesOf(driver).Controller + "-"
	var errs []error
	for _, name := range desired.Leases(driver) {
		errs = append(errs, a.deleteLease(ctx, client.ObjectKey{Namespace: namespace, Name: name}, holders))
	}
	return errors.Join(errs...)
}

func (a *Applier) deleteLease(ctx context.Context, key client.ObjectKey, holders string) error {
	lease := &coordinationv1.Lease{}
	err := a.live.Get(ctx, key, lease)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Lease %q in namespace %q: %w", key.Name, key.Namespace, err)
	}
	if h := lease.Spec.HolderIdentity; h != nil && *h != "" && !strings.HasPrefix(*h, holders) {
		return nil
	}
	lease.SetGroupVersionKind(coordinationv1.SchemeGroupVersion.WithKind("Lease"))
	return a.delete(ctx, lease)
}

func metadataList(kind schema.GroupVersionKind) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	return list
}
