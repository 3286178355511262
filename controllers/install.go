// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// everything is the choice of objects of a deployment that stays.
func everything(desired.Object) bool { return true }

// install renders, applies the objects that are chosen, and assesses.
func (r *Reconciler) install(ctx context.Context, d *v1alpha1.CSIDriverDeployment, chosen func(desired.Object) bool) (reconcile.Result, error) {
	d.Status.Namespace = desired.Namespace(d, r.facts)
	set, err := r.render(ctx, d)
	var invalid *desired.InvalidError
	if err != nil && !errors.As(err, &invalid) {
		return reconcile.Result{}, err
	}
	markSpecValid(d, err)
	if err != nil {
		markSpecInvalidApplied(d)
		return reconcile.Result{}, r.assess(ctx, d, rowsOf(d), apply.Report{})
	}
	report, applyErr := r.apply(ctx, filter(set, chosen))
	markApplied(d, report, applyErr)
	d.Status.Driver = driverStatus(set)
	if err := r.assess(ctx, d, set.Rows, report); err != nil {
		return reconcile.Result{}, errors.Join(applyErr, err)
	}
	return afterApply(applyErr)
}

// render returns what is to be there; a desired.InvalidError tells the author
// of the object what to change.
func (r *Reconciler) render(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (desired.Set, error) {
	set, err := desired.Render(d, r.facts)
	if err != nil {
		return desired.Set{}, err
	}
	if err := r.admit(ctx, d); err != nil {
		return desired.Set{}, err
	}
	return set, nil
}

func (r *Reconciler) apply(ctx context.Context, set desired.Set) (apply.Report, error) {
	report, err := r.applier.Apply(ctx, set)
	if len(report.Removed) > 0 {
		log.FromContext(ctx).Info("Removed objects that left the spec", "objects", report.Removed)
	}
	log.FromContext(ctx).V(1).Info("Applied objects", "count", len(report.Applied))
	return report, err
}

func filter(set desired.Set, chosen func(desired.Object) bool) desired.Set {
	all := set.Objects
	set.Objects = nil
	for _, o := range all {
		if chosen(o) {
			set.Objects = append(set.Objects, o)
		}
	}
	return set
}

// afterApply says when to look again: a watch tells when a namespace or a
// foreign object changes; nothing tells when the operator was given a right or
// an admission policy was lifted; other errors may pass at once.
func afterApply(err error) (reconcile.Result, error) {
	switch reasonOf(err) {
	case v1alpha1.ReasonApplyFailed:
		return reconcile.Result{}, err
	case v1alpha1.ReasonRBACDenied, v1alpha1.ReasonApplyRefused:
		return reconcile.Result{RequeueAfter: afterRefusal}, nil
	default:
		return reconcile.Result{}, nil
	}
}

// reasonOf is the reason of the condition Applied after the given error.
func reasonOf(err error) string {
	var (
		conflict  *apply.ConflictError
		namespace *apply.NamespaceError
		denied    *apply.DeniedError
		refused   *apply.RefusedError
	)
	switch {
	case err == nil:
		return v1alpha1.ReasonApplied
	case errors.As(err, &conflict):
		return v1alpha1.ReasonConflict
	case errors.As(err, &namespace):
		return v1alpha1.ReasonNamespaceMissing
	case errors.As(err, &denied):
		return v1alpha1.ReasonRBACDenied
	case errors.As(err, &refused):
		return v1alpha1.ReasonApplyRefused
	default:
		return v1alpha1.ReasonApplyFailed
	}
}

// rowsOf are the containers that were deployed last, for a spec that cannot be
// rendered: they still run.
func rowsOf(d *v1alpha1.CSIDriverDeployment) []desired.Row {
	rows := make([]desired.Row, 0, len(d.Status.Sidecars))
	for _, s := range d.Status.Sidecars {
		rows = append(rows, desired.Row{Component: s.Component, Name: s.Name, Image: s.Image, Version: s.Version})
	}
	return rows
}

func driverStatus(set desired.Set) v1alpha1.DriverStatus {
	s := v1alpha1.DriverStatus{Name: set.Driver}
	for _, row := range set.Rows {
		if row.Name == v1alpha1.DriverContainer {
			s.Image, s.Version = row.Image, row.Version
			break
		}
	}
	return s
}
