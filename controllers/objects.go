// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

const (
	// maxFields is how many fields status names of one object.
	maxFields = 5
	// maxChanges is how many changes status names.
	maxChanges = 64
)

// list writes into the status what became of each object of a set.
func (r *Reconciler) list(d *v1alpha1.CSIDriverDeployment, set desired.Set, p plan.Plan,
	live objects, report apply.Report,
) error {
	states := map[plan.Ref]v1alpha1.ObjectState{}
	for _, change := range p {
		states[change.Ref] = v1alpha1.ObjectPending
		if change.Action == plan.Conflict {
			states[change.Ref] = v1alpha1.ObjectConflict
		}
	}
	for _, a := range report.Applied {
		states[a.Ref] = v1alpha1.ObjectApplied
		live[a.Ref] = a.Object
	}
	records, omitted := r.ledger.records(d), r.ledger.omitted(d)
	listed := make([]v1alpha1.ObjectStatus, 0, len(set.Objects))
	var errs []error
	for _, object := range set.Objects {
		ref := plan.RefOf(object.Intent)
		o := v1alpha1.ObjectStatus{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, State: v1alpha1.ObjectApplied}
		if state, changed := states[ref]; changed {
			o.State = state
		}
		if record, known := records[ref]; known {
			o.UID, o.Generation, o.Applied = record.UID, record.Generation, record.Intent+"/"+record.Live
		}
		o.OmittedFields = cut(omitted[ref])
		if now := live[ref]; now != nil && o.State != v1alpha1.ObjectConflict {
			foreign, err := plan.ForeignFields(now, maxFields)
			errs, o.ForeignFields = append(errs, err), foreign
		}
		listed = append(listed, o)
	}
	d.Status.Objects = listed
	return errors.Join(errs...)
}

// markPlanned tells of a plan that is not executed.
func markPlanned(d *v1alpha1.CSIDriverDeployment, objects int, p plan.Plan) {
	d.Status.Plan = nil
	if d.Spec.ManagementState == v1alpha1.PlanOnly {
		d.Status.Plan = planStatus(p)
	}
	if len(p) == 0 {
		markApplied(d, objects, nil)
		return
	}
	c := metav1.Condition{
		Type: v1alpha1.ConditionApplied, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPlanOnly,
		Message: fmt.Sprintf("%d of %d objects are not as rendered; managementState is Plan, so nothing is done: see status.plan", len(p), objects),
	}
	if d.Spec.ManagementState == v1alpha1.Unmanaged {
		c.Reason = v1alpha1.ReasonUnmanaged
		c.Message = fmt.Sprintf("%d of %d objects are not as rendered; managementState is Unmanaged, so nothing is done", len(p), objects)
	}
	mark(d, c)
}

func planStatus(p plan.Plan) *v1alpha1.PlanStatus {
	s := &v1alpha1.PlanStatus{}
	for _, change := range p[:min(len(p), maxChanges)] {
		s.Changes = append(s.Changes, v1alpha1.PlannedChange{
			Kind: change.Ref.Kind, Namespace: change.Ref.Namespace, Name: change.Ref.Name,
			Action: string(change.Action), Reason: change.Reason, Fields: cut(change.Fields),
		})
	}
	s.More = int32(len(p) - len(s.Changes)) //nolint:gosec // a plan has fewer than 2^31 changes
	return s
}

func cut(fields []string) []string { return fields[:min(len(fields), maxFields)] }
