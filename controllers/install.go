// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// everything is the choice of objects of a deployment that stays.
func everything(desired.Object) bool { return true }

// install renders, applies the objects that are chosen, and assesses.
func (r *Reconciler) install(ctx context.Context, d *v1alpha1.CSIDriverDeployment, chosen func(desired.Object) bool) (reconcile.Result, error) {
	d.Status.Namespace = desired.Namespace(d, r.facts)
	set, said, err := r.render(ctx, d)
	var invalid *desired.InvalidError
	if err != nil && !errors.As(err, &invalid) {
		return reconcile.Result{}, err
	}
	markSpecValid(d, set.Warnings, err)
	if err != nil {
		return r.keepUp(ctx, d, set)
	}
	done, applyErr := r.execute(ctx, d, filter(set, chosen))
	if managed(d) && anyApplied(d) {
		driverStatus(d, set)
		d.Status.HostPorts = set.Ports
	}
	keepDiscovery(d, set.Discovery, said)
	markCapabilities(d, set, said)
	idle, err := r.checkClasses(ctx, d, set, done)
	if err != nil {
		return reconcile.Result{}, errors.Join(applyErr, err)
	}
	presence, more, err := r.assess(ctx, d, parts{set.Components, set.Rows, done.ungranted})
	if err == nil {
		later, taintErr := r.tend(ctx, d, desired.StartupTaint(d), d.Spec.StartupTaint.Retaint, presence)
		applyErr, more = cmp.Or(applyErr, taintErr), sooner(more, later)
	}
	if managed(d) || applyErr != nil {
		markApplied(d, len(filter(set, chosen).Objects), applyErr)
	}
	if err != nil {
		return reconcile.Result{}, errors.Join(applyErr, err)
	}
	return after(applyErr, sooner(sooner(done.again, more), idle))
}

// keepUp looks after what was applied before the spec became one that cannot be rendered.
// A startup taint goes where the driver works, and comes nowhere.
func (r *Reconciler) keepUp(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set) (reconcile.Result, error) {
	markSpecInvalidApplied(d)
	markChangeBlocked(d, nil)
	d.Status.Plan = nil
	var again time.Duration
	if len(set.Objects) > 0 { // it waits for what another one has
		again = afterRefusal
	}
	presence, more, err := r.assess(ctx, d, parts{components: componentsOf(d), rows: rowsOf(d)})
	if err != nil {
		return reconcile.Result{}, err
	}
	later, err := r.tend(ctx, d, d.Status.Nodes.StartupTaint, false, presence)
	return after(err, sooner(sooner(again, more), later))
}

// executed is what came of a plan.
type executed struct {
	// again is when to look again although nothing happens; 0 for never.
	again time.Duration
	// ungranted says, by component, what rights it lacks.
	ungranted map[string]string
	// missing are StorageClasses that were to be there.
	missing []string
}

// execute plans, does what is planned if it may, and tells of it in the status, but for what
// Applied says of a managed deployment or an error.
func (r *Reconciler) execute(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set) (executed, error) {
	d.Status.Plan = nil
	p, err := r.plan(ctx, d, set)
	if err != nil {
		return executed{}, err
	}
	err = r.checkNamespace(ctx, set.Namespace)
	if !managed(d) {
		markChangeBlocked(d, nil)
		markPlanned(d, len(set.Objects), p.Plan, err)
		return executedBy(p, apply.Report{}), r.list(d, set, p, apply.Report{})
	}
	markChangeBlocked(d, p.Plan)
	var report apply.Report
	if err == nil && len(p.Plan) > 0 {
		report, err = r.apply(ctx, p.Plan)
	}
	noted := r.ledger.note(d, p.Plan, report)
	if err == nil {
		err = r.ledger.contests(d)
	}
	err = errors.Join(err, noted)
	if len(report.Applied) > 0 {
		p.again = sooner(p.again, settle)
	}
	return executedBy(p, report), errors.Join(err, r.list(d, set, p, report))
}

func executedBy(p planned, report apply.Report) executed {
	return executed{p.again, ungranted(p.Plan, report), missingClasses(p.Plan, report)}
}

// managed tells whether the operator may write anything of a driver.
func managed(d *v1alpha1.CSIDriverDeployment) bool {
	return d.Spec.ManagementState == "" || d.Spec.ManagementState == v1alpha1.Managed
}

// render returns what is to be there; a desired.InvalidError tells the author
// of the object what to change, also where it stands against another deployment.
// The answer is what the driver said of its capabilities, if it was asked.
func (r *Reconciler) render(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (desired.Set, answer, error) {
	facts, said, err := r.factsOf(ctx, d)
	if err != nil {
		return desired.Set{}, said, err
	}
	set, err := desired.Render(d, facts)
	if err != nil {
		return desired.Set{}, said, err
	}
	return set, said, r.admit(ctx, d, set)
}

func (r *Reconciler) apply(ctx context.Context, p plan.Plan) (apply.Report, error) {
	report, err := r.applier.Apply(ctx, p)
	if len(report.Removed) > 0 {
		log.FromContext(ctx).Info("Removed objects that left the spec", "objects", report.Removed)
	}
	applied := map[plan.Ref]bool{}
	for _, a := range report.Applied {
		applied[a.Ref] = true
	}
	for _, change := range p {
		if applied[change.Ref] {
			log.FromContext(ctx).V(1).Info("Changed an object", "object", change.Ref.String(), "action", change.Action, "fields", change.Fields)
		}
	}
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

// after is how a reconcile ends that has work to do again after a while; 0 for none.
func after(applyErr error, again time.Duration) (reconcile.Result, error) {
	result, err := afterApply(applyErr)
	if err == nil {
		result.RequeueAfter = sooner(result.RequeueAfter, again)
	}
	return result, err
}

// afterApply says when to look again: a watch tells when a namespace changes; nothing
// tells when the operator was given a right, an admission policy was lifted or, for
// most kinds, a foreign object went away; other errors may pass at once.
func afterApply(err error) (reconcile.Result, error) {
	switch reasonOf(err) {
	case v1alpha1.ReasonApplyFailed:
		return reconcile.Result{}, err
	case v1alpha1.ReasonRBACDenied, v1alpha1.ReasonApplyRefused, v1alpha1.ReasonConflict:
		return reconcile.Result{RequeueAfter: afterRefusal}, nil
	case v1alpha1.ReasonContested:
		return reconcile.Result{RequeueAfter: contestPause}, nil
	case v1alpha1.ReasonBlocked, v1alpha1.ReasonPending:
		return reconcile.Result{RequeueAfter: afterWaiting}, nil
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
		contested *apply.ContestedError
		blocked   *apply.BlockedError
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
	case errors.As(err, &contested):
		return v1alpha1.ReasonContested
	case errors.As(err, &blocked) && blocked.Passing:
		return v1alpha1.ReasonPending
	case errors.As(err, &blocked):
		return v1alpha1.ReasonBlocked
	default:
		return v1alpha1.ReasonApplyFailed
	}
}

// rowsOf are the containers that were deployed last, for a spec that cannot be
// rendered: they still run.
func rowsOf(d *v1alpha1.CSIDriverDeployment) []desired.Row {
	rows := make([]desired.Row, 0, len(d.Status.Sidecars))
	for _, s := range d.Status.Sidecars {
		rows = append(rows, desired.Row{Component: s.Component, Name: s.Name, Image: s.Image, Version: s.Version, Lease: s.Lease})
	}
	return rows
}

// driverStatus tells what runs as the driver, but for what it says of itself.
func driverStatus(d *v1alpha1.CSIDriverDeployment, set desired.Set) {
	s := &d.Status.Driver
	s.Name = set.Driver
	for _, row := range set.Rows {
		if row.Name == v1alpha1.DriverContainer {
			s.Image, s.Version = row.Image, row.Version
			break
		}
	}
}
