// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/health"
)

// eventAction is what the operator did when it saw a condition change.
const eventAction = "Reconcile"

// maxNote is how many bytes the API server lets an event have to say.
const maxNote = 1024

// announce emits an event for each condition that changed its status or
// reason. It is called after the status was written, so that no event tells of
// something that the status does not say.
func (r *Reconciler) announce(before *v1alpha1.CSIDriverDeploymentStatus, d *v1alpha1.CSIDriverDeployment) {
	onItsWay := meta.IsStatusConditionTrue(d.Status.Conditions, v1alpha1.ConditionReconciling)
	for _, c := range d.Status.Conditions {
		if !newsworthy(meta.FindStatusCondition(before.Conditions, c.Type), c) {
			continue
		}
		r.recorder.Eventf(d, nil, severity(c, onItsWay), c.Reason, eventAction, "%s", health.CutAt(maxNote, c.Message))
	}
}

// newsworthy is a change. The first state of a condition is one only if it
// tells of a fault: every new driver begins without a ready pod.
func newsworthy(old *metav1.Condition, c metav1.Condition) bool {
	if c.Type == v1alpha1.ConditionReconciling || c.Type == v1alpha1.ConditionStalled {
		return false // the condition that causes it is
	}
	if old != nil {
		return old.Status != c.Status || old.Reason != c.Reason
	}
	switch c.Type {
	case v1alpha1.ConditionSpecValid, v1alpha1.ConditionApplied:
		return c.Status != metav1.ConditionTrue || severity(c, false) == corev1.EventTypeWarning
	default:
		return isObstacle(c)
	}
}

// isObstacle is true for a condition that is there only while it holds, and is bad news
// of its own.
func isObstacle(c metav1.Condition) bool {
	return c.Type == v1alpha1.ConditionDeletionBlocked || c.Type == v1alpha1.ConditionChangeBlocked
}

// severity of a condition. A rollout is no reason to warn, and neither is what is not Ready
// meanwhile.
func severity(c metav1.Condition, onItsWay bool) string {
	good := c.Status == metav1.ConditionTrue
	if isObstacle(c) {
		good = !good
	}
	switch {
	case c.Reason == v1alpha1.ReasonUnchecked:
		return corev1.EventTypeWarning
	case good, c.Type == v1alpha1.ConditionReady && onItsWay, isPassing(c.Reason):
		return corev1.EventTypeNormal
	default:
		return corev1.EventTypeWarning
	}
}

// isPassing is true for reasons of what ends by itself.
func isPassing(reason string) bool {
	return slices.Contains([]string{
		v1alpha1.ReasonDeleting, v1alpha1.ReasonPending, v1alpha1.ReasonStarting, v1alpha1.ReasonNotAsked,
	}, reason)
}
