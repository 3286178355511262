// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// markCourse tells, in the two conditions of kstatus, whether a deployment that is not
// ready gets there by itself. Neither stands while nothing is unmet.
func markCourse(d *v1alpha1.CSIDriverDeployment, unmet []metav1.Condition) {
	course, cause := courseOf(d, unmet)
	for _, kind := range [...]string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if kind != course {
			meta.RemoveStatusCondition(&d.Status.Conditions, kind)
			continue
		}
		mark(d, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: cause.Reason, Message: cause.Type + ": " + cause.Message})
	}
}

// courseOf is the condition of kstatus that holds, and what causes it: the first of the
// unmet ones that does not pass by itself, else the first of all. It is empty where
// nothing is unmet.
func courseOf(d *v1alpha1.CSIDriverDeployment, unmet []metav1.Condition) (string, metav1.Condition) {
	if !d.DeletionTimestamp.IsZero() {
		return courseOfRemoval(d)
	}
	if len(unmet) == 0 {
		return "", metav1.Condition{}
	}
	causes := unmet
	if c := current(d, v1alpha1.ConditionChangeBlocked); c != nil {
		causes = append(slices.Clip(unmet), *c)
	}
	if at := slices.IndexFunc(causes, lasts); at >= 0 {
		return v1alpha1.ConditionStalled, causes[at]
	}
	return v1alpha1.ConditionReconciling, unmet[0]
}

// courseOfRemoval is that of a deleted deployment. kstatus says Terminating of it all the
// same; who looks at it sees whether somebody has to act.
func courseOfRemoval(d *v1alpha1.CSIDriverDeployment) (string, metav1.Condition) {
	if c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionDeletionBlocked); c != nil {
		return v1alpha1.ConditionStalled, *c
	}
	return v1alpha1.ConditionReconciling, metav1.Condition{
		Type: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonDeleting, Message: deletionProgress(d),
	}
}

// lasts tells whether what a condition reports stays until somebody acts, or until a fault
// is gone. Whatever is not known to pass does.
func lasts(c metav1.Condition) bool {
	switch c.Reason {
	case v1alpha1.ReasonNotKnown, v1alpha1.ReasonStarting, v1alpha1.ReasonNotAsked,
		v1alpha1.ReasonApplyFailed, v1alpha1.ReasonPending:
		return false
	default:
		return true
	}
}

// current finds a condition that was computed for the newest spec; nil if there is none.
func current(d *v1alpha1.CSIDriverDeployment, kind string) *metav1.Condition {
	c := meta.FindStatusCondition(d.Status.Conditions, kind)
	if c == nil || c.ObservedGeneration != d.Generation {
		return nil
	}
	return c
}
