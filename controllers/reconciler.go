// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers reconciles CSIDriverDeployments: gather, render, apply,
// assess, report. It is the only reader of the cluster; what is to be there is
// decided in internal/desired, how it does in internal/health, and
// internal/apply writes it.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
)

const (
	// afterConflict is when a reconcile that worked on an old object runs again.
	afterConflict = 100 * time.Millisecond
	// afterRefusal is when something is tried again that only someone else can
	// make possible, where no watch tells that they did.
	afterRefusal = time.Minute
	// afterWaiting is when a removal looks again for pods that went unnoticed;
	// the watch of pods tells of all others.
	afterWaiting = time.Minute
)

// Reconciler brings the cluster to what a CSIDriverDeployment says.
type Reconciler struct {
	client   client.Client // reads come from the cache
	cache    client.Reader // of the objects that the operator applies, as a whole
	live     client.Reader
	applier  *apply.Applier
	ledger   *ledger
	recorder events.EventRecorder
	facts    desired.Facts
	optional *optional
	admitted admissions
	tainted  *tainted

	kubernetes *kubernetes
	acquainted acquainted
	leases     *leases
	pace       *pace
	puzzled    *waits // for pods and workloads of which only events tell
	waits      *waits // for what others do within a moment
	snapshots  *waits // that somebody begins with
	classes    *waits // that are to be there
}

// The operator's own rights.
//
// +kubebuilder:rbac:groups=csi-operator.io,resources=csidriverdeployments,verbs=list;watch;patch
// +kubebuilder:rbac:groups=csi-operator.io,resources=csidriverdeployments/status,verbs=update
// +kubebuilder:rbac:groups="",resources=serviceaccounts;configmaps,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments;daemonsets;statefulsets,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles;clusterrolebindings;roles;rolebindings,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=storage.k8s.io,resources=csidrivers;storageclasses;volumeattributesclasses,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshotclasses,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=groupsnapshot.storage.k8s.io,resources=volumegroupsnapshotclasses,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces;nodes;pods;persistentvolumes,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=patch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=csinodes;volumeattachments,verbs=list;watch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
//
// What it grants to the sidecars, and must therefore hold.
//
// +kubebuilder:rbac:groups="",resources=persistentvolumes,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;update
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=events,verbs=list;watch;create;update;patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses;csinodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=volumeattachments,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=volumeattachments/status,verbs=patch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=events,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=apps,resources=replicasets,verbs=get
// +kubebuilder:rbac:groups=storage.k8s.io,resources=volumeattributesclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=csistoragecapacities,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshotclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshots,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshotcontents,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshotcontents/status,verbs=update;patch
// +kubebuilder:rbac:groups=groupsnapshot.storage.k8s.io,resources=volumegroupsnapshotclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=groupsnapshot.storage.k8s.io,resources=volumegroupsnapshotcontents,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=groupsnapshot.storage.k8s.io,resources=volumegroupsnapshotcontents/status,verbs=update;patch
// +kubebuilder:rbac:groups=security.openshift.io,resources=securitycontextconstraints,resourceNames=privileged,verbs=use
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,verbs=get;list;watch

// Reconcile runs once and writes the status once, if it changed. Deletion is
// looked at before anything that can fail.
func (r *Reconciler) Reconcile(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (reconcile.Result, error) {
	if r.ledger.behind(d) {
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	}
	before := d.Status.DeepCopy()
	result, err := r.reconcile(ctx, d)
	if r.ledger.excuses(d, outdated(err)) {
		return afterWritingAtOnce(ctx, err), nil
	}
	wait, reportErr := r.report(ctx, before, d)
	if err == nil {
		err = reportErr
	}
	result.RequeueAfter = sooner(result.RequeueAfter, wait)
	if outdated(err) {
		return afterWritingAtOnce(ctx, err), nil
	}
	return result, err
}

// afterWritingAtOnce is what follows when somebody else wrote an object at the same time.
func afterWritingAtOnce(ctx context.Context, err error) reconcile.Result {
	log.FromContext(ctx).V(1).Info("Object changed meanwhile", "cause", err.Error())
	return reconcile.Result{RequeueAfter: afterConflict}
}

// outdated is true for an error that tells of nothing but work on an old object.
func outdated(err error) bool {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return apierrors.IsConflict(err)
	}
	return !slices.ContainsFunc(joined.Unwrap(), func(e error) bool { return !outdated(e) })
}

func (r *Reconciler) reconcile(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (reconcile.Result, error) {
	if !d.DeletionTimestamp.IsZero() {
		return r.remove(ctx, d)
	}
	needed, err := r.needsFinalizer(ctx, d)
	if err != nil {
		return reconcile.Result{}, err
	}
	if needed {
		if err := r.addFinalizer(ctx, d); err != nil {
			return reconcile.Result{}, err
		}
	}
	return r.install(ctx, d, everything)
}

// needsFinalizer is true for a deployment that is managed, and for one that lacks it and of
// which something is installed: who replaced the whole object has taken our finalizer away.
func (r *Reconciler) needsFinalizer(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (bool, error) {
	if managed(d) {
		return true, nil
	}
	if controllerutil.ContainsFinalizer(d, v1alpha1.Finalizer) {
		return false, nil // it has it
	}
	left, err := r.leftBehind(ctx, d.Name)
	if err != nil || !left {
		return false, err
	}
	owned, err := r.applier.Owned(ctx, d.Name, desired.Kinds()...) // the cache may be behind a removal
	return anyTells(owned), err
}

// addFinalizer makes sure that nothing is applied for an object that could vanish
// without being cleaned up, or released, as managementState says.
func (r *Reconciler) addFinalizer(ctx context.Context, d *v1alpha1.CSIDriverDeployment) error {
	old := d.DeepCopy()
	if !controllerutil.AddFinalizer(d, v1alpha1.Finalizer) {
		return nil
	}
	if err := r.patchFinalizers(ctx, old, d); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	return nil
}

func (r *Reconciler) removeFinalizer(ctx context.Context, d *v1alpha1.CSIDriverDeployment) error {
	old := d.DeepCopy()
	controllerutil.RemoveFinalizer(d, v1alpha1.Finalizer)
	if err := r.patchFinalizers(ctx, old, d); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// patchFinalizers sends the whole list, as merge patches do, and therefore
// only if nobody has changed the object since it was read.
func (r *Reconciler) patchFinalizers(ctx context.Context, old, d *v1alpha1.CSIDriverDeployment) error {
	status := d.Status.DeepCopy() // the reply is written into the object
	err := r.client.Patch(ctx, d, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{}))
	d.Status = *status
	return err
}
