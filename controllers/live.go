// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// objects are objects of the cluster by what they are called.
type objects = map[plan.Ref]*unstructured.Unstructured

// plan compares a set with what the cache shows and what this process wrote. It
// tells as well whether the cache is behind; then there will be more to see.
func (r *Reconciler) plan(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set) (plan.Plan, objects, bool, error) {
	records := r.ledger.records(d)
	live, err := r.liveOf(ctx, set, records)
	if err != nil {
		return nil, nil, false, err
	}
	behind := r.ledger.overlay(d, live)
	p, err := plan.Make(plan.Input{
		Driver: set.Driver, Wanted: set.Objects, Records: records, Live: live,
		Use: func() (plan.Use, error) { return r.use(ctx, d.Name) },
	})
	if err == nil {
		err = r.ledger.hold(d, p)
	}
	return p, live, behind, err
}

// liveOf reads, from the cache, what carries the driver's label, and whatever has a
// name that is wanted or was: the cache has every object of the kinds whose names
// anybody may choose.
func (r *Reconciler) liveOf(ctx context.Context, set desired.Set, records map[plan.Ref]plan.Record) (objects, error) {
	live := objects{}
	for _, kind := range desired.Kinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := r.cache.List(ctx, list, client.MatchingLabels(desired.Selector(set.Driver))); err != nil {
			return nil, fmt.Errorf("listing every %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			live[plan.RefOf(&list.Items[i])] = &list.Items[i]
		}
	}
	for _, object := range set.Objects {
		if err := r.add(ctx, live, plan.RefOf(object.Intent), object.Intent.GroupVersionKind()); err != nil {
			return nil, err
		}
	}
	for ref := range records {
		for _, kind := range desired.KindsNamed(ref.Kind) {
			if err := r.add(ctx, live, ref, kind); err != nil {
				return nil, err
			}
		}
	}
	return live, nil
}

// add reads one object more, if the cache has it.
func (r *Reconciler) add(ctx context.Context, live objects, ref plan.Ref, kind schema.GroupVersionKind) error {
	if live[ref] != nil {
		return nil
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	found, err := get(ctx, r.cache, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, o)
	if found {
		live[ref] = o
	}
	return err
}

// checkNamespace wants the namespace of the pods to take objects.
func (r *Reconciler) checkNamespace(ctx context.Context, name string) error {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	found, err := get(ctx, r.client, client.ObjectKey{Name: name}, m)
	switch {
	case err != nil:
		return err
	case !found:
		return &apply.NamespaceError{Name: name}
	case m.DeletionTimestamp != nil:
		return &apply.NamespaceError{Name: name, Terminating: true}
	}
	return nil
}

// get reads an object and says whether it is there.
func get(ctx context.Context, reader client.Reader, key client.ObjectKey, into client.Object) (bool, error) {
	err := reader.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %T %s: %w", into, key, err)
	}
	return true, nil
}
