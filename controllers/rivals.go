// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// checkRivals refuses a deployment whose sidecars would take the leader Leases
// of an older one: a.b and a-b have Leases of the same names, and in one
// namespace the sidecars of one of them would wait for ever.
func (r *Reconciler) checkRivals(ctx context.Context, d *v1alpha1.CSIDriverDeployment) error {
	list := &v1alpha1.CSIDriverDeploymentList{}
	if err := r.client.List(ctx, list); err != nil {
		return fmt.Errorf("listing all deployments: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		if r.rivals(d, other) && older(other, d) {
			return &desired.InvalidError{Field: "metadata.name", Message: fmt.Sprintf(
				"the sidecars would share leader Leases with those of the older %s %q in namespace %q; choose another name or another namespace",
				v1alpha1.Kind, other.Name, desired.Namespace(d, r.facts))}
		}
	}
	return nil
}

// rivals says whether two deployments' sidecars would share a Lease.
func (r *Reconciler) rivals(a, b *v1alpha1.CSIDriverDeployment) bool {
	if a.Name == b.Name || desired.Namespace(a, r.facts) != desired.Namespace(b, r.facts) {
		return false
	}
	theirs := desired.Leases(b.Name)
	return slices.ContainsFunc(desired.Leases(a.Name), func(l string) bool { return slices.Contains(theirs, l) })
}

// older decides who stays; of two made in one second, the first by name.
func older(a, b *v1alpha1.CSIDriverDeployment) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// toRivals maps a deployment that is gone to those that waited for its Leases.
func (r *Reconciler) toRivals(ctx context.Context, o client.Object) []reconcile.Request {
	gone, ok := o.(*v1alpha1.CSIDriverDeployment)
	if !ok {
		return nil
	}
	return r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool { return r.rivals(d, gone) })
}
