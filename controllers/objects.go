// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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

// list writes into the status what became of each object of a set, and of what is to
// go and is still there.
func (r *Reconciler) list(d *v1alpha1.CSIDriverDeployment, set desired.Set, p planned, report apply.Report) error {
	states := map[plan.Ref]v1alpha1.ObjectState{}
	for _, a := range report.Applied {
		states[a.Ref] = v1alpha1.ObjectApplied
		p.live[a.Ref] = a.Object
	}
	refs := make([]plan.Ref, 0, len(set.Objects))
	for _, object := range set.Objects {
		refs = append(refs, plan.RefOf(object.Intent))
	}
	for _, change := range p.Plan {
		if states[change.Ref] == "" && !slices.Contains(report.Removed, change.Ref) {
			states[change.Ref] = stateBefore(change)
		}
		if !slices.Contains(refs, change.Ref) && states[change.Ref] != "" {
			refs = append(refs, change.Ref)
		}
	}
	entries := r.ledger.entries(d)
	d.Status.Objects = make([]v1alpha1.ObjectStatus, 0, len(refs))
	var errs []error
	for _, ref := range refs {
		o, err := objectStatus(ref, cmp.Or(states[ref], v1alpha1.ObjectApplied), entries[ref], p.live[ref])
		d.Status.Objects = append(d.Status.Objects, o)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stateBefore is the state of an object before a change.
func stateBefore(change plan.Change) v1alpha1.ObjectState {
	if change.Action == plan.Conflict {
		return v1alpha1.ObjectConflict
	}
	return v1alpha1.ObjectPending
}

func objectStatus(ref plan.Ref, state v1alpha1.ObjectState, known entry, now *unstructured.Unstructured) (v1alpha1.ObjectStatus, error) {
	o := v1alpha1.ObjectStatus{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, State: state, OmittedFields: cut(known.omitted)}
	if known.record != (plan.Record{}) {
		o.UID, o.Generation, o.Applied = known.record.UID, known.record.Generation, known.record.Intent+"/"+known.record.Live
	}
	if now == nil || state == v1alpha1.ObjectConflict {
		return o, nil
	}
	foreign, err := plan.ForeignFields(now, maxFields)
	o.ForeignFields = foreign
	return o, err
}

// listedRef names an object of the status.
func listedRef(o v1alpha1.ObjectStatus) plan.Ref {
	return plan.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

// listRemaining leaves in the status what there is of a driver that is being removed.
func listRemaining(d *v1alpha1.CSIDriverDeployment, owned []metav1.PartialObjectMetadata) {
	known := map[plan.Ref]v1alpha1.ObjectStatus{}
	for _, o := range d.Status.Objects {
		known[listedRef(o)] = o
	}
	d.Status.Objects = nil
	for i := range owned {
		ref := plan.RefOf(&owned[i])
		o := known[ref] // what is recorded of it, to find it again
		o.Kind, o.Namespace, o.Name, o.State = ref.Kind, ref.Namespace, ref.Name, v1alpha1.ObjectDeleting
		d.Status.Objects = append(d.Status.Objects, o)
	}
}

// markPlanned tells of a plan that is not executed, and of what would keep it from
// being executed.
func markPlanned(d *v1alpha1.CSIDriverDeployment, objects int, p plan.Plan, obstacle error) {
	if conflicts := p.Conflicts(); len(conflicts) > 0 {
		p = conflicts // nothing else would be done
	}
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
	if obstacle != nil {
		c.Message += "; " + obstacle.Error()
	}
	mark(d, c)
}

// markChangeBlocked tells of changes that wait, first of those that wait for somebody,
// where no conflict keeps all of them from being made.
func markChangeBlocked(d *v1alpha1.CSIDriverDeployment, p plan.Plan) {
	var blocked, waiting []string
	if len(p.Conflicts()) > 0 {
		p = nil
	}
	for _, change := range p {
		switch text := change.Ref.String() + ": " + change.Reason; {
		case change.Action != plan.Blocked:
		case change.Passing:
			waiting = append(waiting, text)
		default:
			blocked = append(blocked, text)
		}
	}
	all := append(blocked, waiting...)
	if len(all) == 0 {
		meta.RemoveStatusCondition(&d.Status.Conditions, v1alpha1.ConditionChangeBlocked)
		return
	}
	c := metav1.Condition{Type: v1alpha1.ConditionChangeBlocked, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonBlocked, Message: all[0]}
	if len(blocked) == 0 {
		c.Reason = v1alpha1.ReasonPending
	}
	if more := len(all) - 1; more > 0 {
		c.Message += fmt.Sprintf("; %d more", more)
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

// anyApplied tells whether something of a driver was ever applied.
func anyApplied(d *v1alpha1.CSIDriverDeployment) bool {
	return slices.ContainsFunc(d.Status.Objects, func(o v1alpha1.ObjectStatus) bool { return o.UID != "" })
}
