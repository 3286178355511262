// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
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
	errs := atOnce(len(kinds), func(i int) (err error) {
		found[i], err = a.list(ctx, kinds[i], client.MatchingLabels(desired.Selector(driver)))
		if notServed(err) { // a cluster without the kind has none of it
			return nil
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("looking for what driver %q has: %w", driver, err)
	}
	return slices.Concat(found...), nil
}

// Strays finds, by live reads, which of the given objects exist without the label of
// any driver. Each is known by its uid: one of the same name is another one.
func (a *Applier) Strays(ctx context.Context, recorded map[plan.Ref]types.UID) ([]metav1.PartialObjectMetadata, error) {
	refs := slices.SortedFunc(maps.Keys(recorded), plan.Ref.Compare)
	found := make([][]metav1.PartialObjectMetadata, len(refs))
	errs := atOnce(len(refs), func(i int) error {
		kinds := desired.KindsNamed(refs[i].Kind)
		if len(kinds) == 0 {
			return nil
		}
		named, err := a.list(ctx, kinds[0], client.InNamespace(refs[i].Namespace), client.MatchingFields{"metadata.name": refs[i].Name})
		if notServed(err) {
			return nil
		}
		found[i] = slices.DeleteFunc(named, func(m metav1.PartialObjectMetadata) bool {
			return m.UID != recorded[refs[i]] || m.Labels[v1alpha1.LabelDeployment] != ""
		})
		return err
	})
	return slices.Concat(found...), errors.Join(errs...)
}

func (a *Applier) list(ctx context.Context, kind schema.GroupVersionKind, which ...client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	var all []metav1.PartialObjectMetadata
	next := ""
	for {
		list := metadataList(kind)
		err := a.live.List(ctx, list, append([]client.ListOption{client.Limit(page), client.Continue(next)}, which...)...)
		if err != nil {
			return nil, fmt.Errorf("listing every %s: %w", kind.Kind, err)
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

// notServed is true for what a list of a kind comes back with that the cluster does not
// have, or has no more.
func notServed(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

// Delete deletes objects at once, their dependents in the background. An
// object that is gone, or that was made anew since it was read, is no error.
func (a *Applier) Delete(ctx context.Context, objects []metav1.PartialObjectMetadata) error {
	return errors.Join(atOnce(len(objects), func(i int) error { return a.delete(ctx, &objects[i]) })...)
}

func (a *Applier) delete(ctx context.Context, m client.Object) error {
	return a.deleteBy(ctx, m, metav1.DeletePropagationBackground)
}

func (a *Applier) deleteBy(ctx context.Context, m client.Object, propagation metav1.DeletionPropagation) error {
	uid := m.GetUID()
	err := a.client.Delete(ctx, m, client.Preconditions{UID: &uid}, client.PropagationPolicy(propagation))
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
	return errors.Join(atOnce(len(objects), func(i int) error { return a.release(ctx, &objects[i], text) })...)
}

func (a *Applier) release(ctx context.Context, m *metav1.PartialObjectMetadata, patch []byte) error {
	ref := plan.RefOf(m)
	err := a.client.Patch(ctx, m, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(v1alpha1.FieldOwner))
	if client.IgnoreNotFound(err) == nil || unchangeable(m, err) {
		return nil
	}
	return fmt.Errorf("taking our labels off %s: %w", ref, err)
}

func unchangeable(m *metav1.PartialObjectMetadata, err error) bool {
	return m.GroupVersionKind().Group == rbacv1.GroupName && apierrors.IsForbidden(err)
}

// DeleteLeases deletes the leader Leases of the driver's sidecars, which carry
// no label. A Lease that a pod of someone else holds is left alone: the holder is a pod
// of the workload with the given name, unless it has expired.
func (a *Applier) DeleteLeases(ctx context.Context, driver, namespace, workload string) error {
	holders := workload + "-"
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
	if h := lease.Spec.HolderIdentity; h != nil && *h != "" && !strings.HasPrefix(*h, holders) && !expired(lease.Spec, time.Now()) {
		return nil
	}
	lease.SetGroupVersionKind(coordinationv1.SchemeGroupVersion.WithKind("Lease"))
	return a.delete(ctx, lease)
}

// expired tells whether nobody renews a Lease any more, whoever it says holds it: in the
// network of a node, a pod calls itself like the node.
func expired(lease coordinationv1.LeaseSpec, now time.Time) bool {
	if lease.RenewTime == nil || lease.LeaseDurationSeconds == nil {
		return false
	}
	return lease.RenewTime.Add(time.Duration(*lease.LeaseDurationSeconds) * time.Second).Before(now)
}

func metadataList(kind schema.GroupVersionKind) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	return list
}
