// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// reconcileByName reconciles a deployment, or sweeps away what one that is gone has
// left behind.
func (r *Reconciler) reconcileByName(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if err := r.acquaint(ctx); err != nil {
		return reconcile.Result{}, err
	}
	d := &v1alpha1.CSIDriverDeployment{}
	found, err := get(ctx, r.client, request.NamespacedName, d)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case found:
		return r.Reconcile(ctx, d)
	}
	return r.sweep(ctx, request.Name)
}

// sweep takes away what was applied for a deployment that does not exist. That is
// one which was deleted at the moment at which the operator began with it: the API
// server takes a finalizer while it is about to delete, and deletes all the same. Or
// somebody took the finalizer away. Volumes keep everything in place, as ever.
func (r *Reconciler) sweep(ctx context.Context, driver string) (reconcile.Result, error) {
	left, err := r.leftBehind(ctx, driver)
	if err != nil || !left {
		return reconcile.Result{}, err
	}
	exists, err := r.existsLive(ctx, driver)
	if err != nil || exists { // the cache will show it
		return reconcile.Result{}, err
	}
	gone := &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Name: driver}}
	owned, err := r.applier.Owned(ctx, driver, desired.Kinds()...)
	if err != nil || !anyTells(owned) {
		return reconcile.Result{}, err
	}
	for _, m := range ofKinds(owned, "ServiceAccount", "Deployment", "StatefulSet", "DaemonSet") {
		gone.Spec.Namespace = m.Namespace
	}
	logger := log.FromContext(ctx).WithValues("objects", len(owned))
	blocked, err := r.gate(ctx, gone)
	if err != nil {
		return reconcile.Result{}, err
	}
	if blocked {
		logger.Info("Left what belongs to no deployment, since volumes need it; create the deployment again", "deletion", gone.Status.Deletion)
		return reconcile.Result{RequeueAfter: afterWaiting}, nil
	}
	logger.Info("Removing what belongs to no deployment")
	done, _, err := r.takeAway(ctx, gone, owned)
	if err != nil || done {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: afterWaiting}, nil
}

// leftBehind tells whether the cache has an object that tells of a driver.
func (r *Reconciler) leftBehind(ctx context.Context, driver string) (bool, error) {
	for _, kind := range r.optional.kinds() {
		labelled, err := r.labelled(ctx, driver, kind)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(labelled, func(u unstructured.Unstructured) bool { return tellsOfDriver(&u) }) {
			return true, nil
		}
	}
	return false, nil
}

// tellsOfDriver is true for an object, with a driver's label, that was applied for that
// driver. Roles and bindings do not tell: a release must leave the label on those that
// hold more than the operator may give.
func tellsOfDriver(labelled client.Object) bool {
	return labelled.GetObjectKind().GroupVersionKind().Group != rbacv1.GroupName && plan.IsApplied(labelled)
}

func anyTells(owned []metav1.PartialObjectMetadata) bool {
	return slices.ContainsFunc(owned, func(m metav1.PartialObjectMetadata) bool { return tellsOfDriver(&m) })
}

// existsLive asks the API server for a deployment.
func (r *Reconciler) existsLive(ctx context.Context, name string) (bool, error) {
	list := &v1alpha1.CSIDriverDeploymentList{}
	if err := r.live.List(ctx, list, client.MatchingFields{"metadata.name": name}); err != nil {
		return false, fmt.Errorf("looking for %s %q: %w", v1alpha1.Kind, name, err)
	}
	return len(list.Items) > 0, nil
}
