// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
)

// report computes Ready, Reconciling and Stalled, and writes the status if anything in it changed. It is
// the one place that does any of it.
//
// The write is an update that the API server refuses if the object is no longer
// the one that was looked at: a verdict on an old spec never covers a newer one.
// It returns when to come back where the write has to wait for that; 0 for never.
func (r *Reconciler) report(ctx context.Context, before *v1alpha1.CSIDriverDeploymentStatus, d *v1alpha1.CSIDriverDeployment) (time.Duration, error) {
	if !controllerutil.ContainsFinalizer(d, v1alpha1.Finalizer) && (managed(d) || !d.DeletionTimestamp.IsZero()) {
		return 0, nil // it is gone, or not yet ours
	}
	summarize(d)
	if equality.Semantic.DeepEqual(before, &d.Status) {
		return 0, nil
	}
	if wait := r.pace.wait(before, d); wait > 0 {
		return wait, nil
	}
	if err := r.client.Status().Update(ctx, d); client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("writing the status: %w", err)
	}
	r.pace.wrote(d.UID)
	r.ledger.tell(d)
	r.announce(before, d)
	return 0, nil
}

// summarize computes Ready, Reconciling and Stalled from the other conditions.
func summarize(d *v1alpha1.CSIDriverDeployment) {
	d.Status.ObservedGeneration = d.Generation
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady,
		Message: "the driver is deployed and healthy",
	}
	unmet := unmetOf(d)
	if len(unmet) > 0 {
		ready.Status = metav1.ConditionFalse
		ready.Reason = v1alpha1.ReasonNotReady
		ready.Message = unmet[0].Type + ": " + unmet[0].Message
	}
	if !d.DeletionTimestamp.IsZero() {
		ready.Status = metav1.ConditionFalse
		ready.Reason = v1alpha1.ReasonDeleting
		ready.Message = deletionProgress(d)
	}
	mark(d, ready)
	markCourse(d, unmet)
}

// unmetOf finds the conditions that keep a deployment from being ready: causes come
// before their effects. One that is missing, or was computed for an older spec, is not met.
func unmetOf(d *v1alpha1.CSIDriverDeployment) (unmet []metav1.Condition) {
	for _, t := range []string{
		v1alpha1.ConditionSpecValid,
		v1alpha1.ConditionApplied,
		v1alpha1.ConditionControllerAvailable,
		v1alpha1.ConditionCapabilitiesMatch,
		v1alpha1.ConditionNodesRegistered,
		v1alpha1.ConditionSidecarsHealthy,
		v1alpha1.ConditionClassesInSync,
	} {
		c := current(d, t)
		switch {
		case c == nil:
			unmet = append(unmet, metav1.Condition{Type: t, Reason: v1alpha1.ReasonNotKnown, Message: "not known yet"})
		case c.Status != metav1.ConditionTrue:
			unmet = append(unmet, *c)
		}
	}
	return unmet
}

// deletionProgress is what a deleted object waits for.
func deletionProgress(d *v1alpha1.CSIDriverDeployment) string {
	if c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionDeletionBlocked); c != nil {
		return c.Message
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionApplied); c != nil && c.Reason == v1alpha1.ReasonDeleting {
		return c.Message
	}
	return "the driver's objects are being removed"
}

// keep takes over what health found.
func keep(d *v1alpha1.CSIDriverDeployment, r health.Report) {
	d.Status.Controller = r.Controller
	r.Nodes.StartupTaint = d.Status.Nodes.StartupTaint // see tend
	d.Status.Nodes = r.Nodes
	d.Status.Sidecars = r.Sidecars
	d.Status.SidecarSummary = r.SidecarSummary
	for _, c := range r.Conditions {
		mark(d, c)
	}
}

func markSpecValid(d *v1alpha1.CSIDriverDeployment, warnings []string, err error) {
	c := metav1.Condition{
		Type: v1alpha1.ConditionSpecValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid,
		Message: "the spec can be rendered",
	}
	if len(warnings) > 0 {
		c.Reason = v1alpha1.ReasonUnchecked
		c.Message += "; flags and feature gates are not checked of " + strings.Join(warnings, ", nor of ")
	}
	if err != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalid, err.Error()
	}
	mark(d, c)
}

// checkClasses tells which classes have no effect, and why. It returns when there may be
// more to tell; 0 for never.
func (r *Reconciler) checkClasses(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set, done executed) (time.Duration, error) {
	missing, again := r.classesMissing(ctx, d, append(unmadeClasses(d, set), done.missing...))
	waiting, more, err := r.snapshotsWaiting(ctx, d, set.Rows)
	markClasses(d, set.Unserved, missing, waiting)
	return sooner(again, more), err
}

// markClasses tells what is in the way of classes, the first reason first.
func markClasses(d *v1alpha1.CSIDriverDeployment, unserved, missing, waiting []string) {
	c := metav1.Condition{
		Type: v1alpha1.ConditionClassesInSync, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonServed,
		Message: "the cluster has every kind of class that the spec asks for",
	}
	for _, obstacle := range []struct {
		reason string
		texts  []string
	}{{v1alpha1.ReasonWaiting, waiting}, {v1alpha1.ReasonClassMissing, missing}, {v1alpha1.ReasonKindMissing, unserved}} {
		if len(obstacle.texts) > 0 {
			c.Status, c.Reason = metav1.ConditionFalse, obstacle.reason
		}
	}
	if texts := slices.Concat(unserved, missing, waiting); len(texts) > 0 {
		c.Message = strings.Join(texts, "; ")
	}
	mark(d, c)
}

func markApplied(d *v1alpha1.CSIDriverDeployment, objects int, err error) {
	c := metav1.Condition{
		Type: v1alpha1.ConditionApplied, Status: metav1.ConditionTrue, Reason: reasonOf(err),
		Message: fmt.Sprintf("all %d objects are as rendered", objects),
	}
	if err != nil {
		c.Status, c.Message = metav1.ConditionFalse, err.Error()
	}
	mark(d, c)
}

func markSpecInvalidApplied(d *v1alpha1.CSIDriverDeployment) {
	mark(d, metav1.Condition{
		Type: v1alpha1.ConditionApplied, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSpecInvalid,
		Message: "nothing is applied until the spec can be rendered",
	})
}

// maxMessage is how many bytes the message of a condition may have: what a sidecar knows
// must find room.
const maxMessage = 2048

// mark sets a condition; its time moves only when its status does. Ready is shown in a
// table.
func mark(d *v1alpha1.CSIDriverDeployment, c metav1.Condition) {
	c.ObservedGeneration = d.Generation
	c.Message = health.CutAt(maxMessage, c.Message)
	if c.Type == v1alpha1.ConditionReady {
		c.Message = health.Cut(c.Message)
	}
	meta.SetStatusCondition(&d.Status.Conditions, c)
}
