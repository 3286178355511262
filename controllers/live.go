// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

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

// planned is a plan and what it was made of.
type planned struct {
	plan.Plan

	live objects
	// again is when there will be more to see: the cache is behind what this process
	// wrote, or a change is held back. 0 is never.
	again time.Duration
}

// plan compares a set with what the cache shows and what this process wrote.
func (r *Reconciler) plan(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set) (planned, error) {
	live, err := r.liveOf(ctx, d, set)
	if err != nil {
		return planned{}, err
	}
	p := planned{live: live}
	if r.ledger.overlay(d, live) {
		p.again = settle
	}
	p.Plan, err = plan.Make(plan.Input{
		Driver: set.Driver, Wanted: set.Objects, Records: r.ledger.records(d), Live: live,
		Use: sync.OnceValues(func() (plan.Use, error) { return r.use(ctx, d) }),
	})
	if err != nil {
		return planned{}, err
	}
	held, err := r.ledger.hold(d, p.Plan)
	p.again = sooner(p.again, held)
	return p, err
}

// liveOf reads, from the cache, what carries the driver's label, and whatever has a
// name that is wanted: the cache has every object of the kinds whose names anybody may
// choose. What left the spec and is not in the cache may have lost its label.
func (r *Reconciler) liveOf(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set) (objects, error) {
	live := objects{}
	served := desired.KindsServed(set.Served) // as rendered: a kind may come meanwhile
	for _, kind := range served {
		labelled, err := r.labelled(ctx, set.Driver, kind)
		if err != nil {
			return nil, err
		}
		for i := range labelled {
			live[plan.RefOf(&labelled[i])] = &labelled[i]
		}
	}
	unwanted := r.ledger.records(d)
	for _, object := range set.Objects {
		ref := plan.RefOf(object.Intent)
		delete(unwanted, ref)
		if live[ref] != nil {
			continue
		}
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(object.Intent.GroupVersionKind())
		found, err := get(ctx, r.cache, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, o)
		if err != nil {
			return nil, err
		}
		if found {
			live[ref] = o
		}
	}
	maps.DeleteFunc(unwanted, func(ref plan.Ref, _ plan.Record) bool {
		// What is of a kind that is not served is wanted perhaps, and comes back with it.
		return live[ref] != nil || !slices.ContainsFunc(served, func(k schema.GroupVersionKind) bool { return k.Kind == ref.Kind })
	})
	return live, r.addStrays(ctx, d, unwanted, live)
}

// labelled reads, from the cache, the objects of a kind that carry a driver's label.
func (r *Reconciler) labelled(ctx context.Context, driver string, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := r.cache.List(ctx, list, client.MatchingLabels(desired.Selector(driver))); err != nil {
		return nil, fmt.Errorf("listing every %s: %w", kind.Kind, err)
	}
	return list.Items, nil
}

// addStrays looks for objects that left the spec and are not in the cache, and forgets
// those that are gone.
func (r *Reconciler) addStrays(ctx context.Context, d *v1alpha1.CSIDriverDeployment, unwanted map[plan.Ref]plan.Record, live objects) error {
	strays, err := r.strays(ctx, d, unwanted)
	if err != nil {
		return err
	}
	for _, m := range strays {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(m.GroupVersionKind())
		o.SetName(m.Name)
		o.SetNamespace(m.Namespace)
		o.SetUID(m.UID)
		o.SetDeletionTimestamp(m.DeletionTimestamp)
		live[plan.RefOf(o)] = o
	}
	return nil
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
