// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan decides what is to be done so that the cluster holds what is
// desired: it compares intents, what is known of their last application, and the
// objects that exist. It is pure; the controller and status look at one and the same
// plan.
package plan

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// Action is what is done with one object.
type Action string

// The actions.
const (
	// Create: it does not exist.
	Create Action = "Create"
	// Apply: something else is wanted than what was applied last.
	Apply Action = "Apply"
	// Heal: others changed what was applied.
	Heal Action = "Heal"
	// Recreate: others changed what only a new object can be without.
	Recreate Action = "Recreate"
	// Delete: it is ours and not wanted any more.
	Delete Action = "Delete"
	// Blocked: it cannot be done now; the reason says what stands in the way.
	Blocked Action = "Blocked"
	// Conflict: an object of a wanted name is not ours. Nothing at all is done.
	Conflict Action = "Conflict"
)

// Record is what is known of the last application of an intent.
type Record struct {
	// Intent is the IntentHash of what was applied, Live the Fingerprint of the
	// answer: a fresh object is never equal to its intent.
	Intent, Live string
	// UID is that of the object: one of the same name may have taken its place.
	UID types.UID
	// Generation of the object's spec that came of it, for kinds that count it.
	// Others may cause later ones, as by an annotation of a Deployment.
	Generation int64
}

// Input is all that a plan depends on.
type Input struct {
	// Driver is the CSI driver name, which is the value of our label.
	Driver string
	// Wanted are the intents, in the order of application.
	Wanted []desired.Object
	// Records are by object; an object that was never applied has none.
	Records map[Ref]Record
	// Live are the objects that exist: those that carry our label, and whatever
	// has a name that is wanted or recorded and that anybody may choose.
	Live map[Ref]*unstructured.Unstructured
	// Use tells what needs the driver's workloads. It is asked only when one of them is
	// to go.
	Use func() (Use, error)
}

// Change is what is to be done with one object.
type Change struct {
	Ref    Ref
	Action Action
	// Reason is why, in words.
	Reason string
	// Fields are the paths at which the object differs from what is wanted; none
	// for an object that is created or deleted.
	Fields []string
	// Step is the place in the order of application.
	Step desired.Step
	// Intent is what to apply; nil for Delete and Blocked.
	Intent *unstructured.Unstructured
	// Live is the object as it is; nil if there is none.
	Live *unstructured.Unstructured
	// Last is the uid of the object that was applied last, if any was.
	Last types.UID
	// Owner is who a Conflict belongs to, if it is another CSIDriverDeployment.
	Owner string
	// Passing is true for a Blocked change that can be made one day without anybody's
	// doing, and for one that only follows another change.
	Passing bool
	// Refused is why the same change is not made again now, although it may be one day.
	Refused error
}

// Plan is what is to be done, in the order of application. An object that is as it
// should be has no change.
type Plan []Change

// Make computes a plan. An error means that an object or an intent is not what the
// API server could have sent or would take.
func Make(in Input) (Plan, error) {
	var plan Plan
	wanted := map[Ref]bool{}
	for _, object := range in.Wanted {
		ref := RefOf(object.Intent)
		wanted[ref] = true
		object, err := in.keep(ref, object)
		if err != nil {
			return nil, err
		}
		change, err := in.change(ref, object)
		if err != nil {
			return nil, err
		}
		if change.Action != "" {
			change.Ref, change.Step = ref, object.Step
			change.Live, change.Last = in.Live[ref], in.Records[ref].UID
			plan = append(plan, change)
		}
	}
	plan, err := in.onePluginANode(keepImmutable(plan))
	if err != nil {
		return nil, err
	}
	if plan, err = in.keepAttacher(plan); err != nil {
		return nil, err
	}
	deletions, err := in.deletions(wanted)
	return in.keepRights(append(plan, deletions...)), err
}

// keep adds to a wanted role what is still in use.
func (in Input) keep(ref Ref, object desired.Object) (desired.Object, error) {
	object, err := in.keepSecrets(ref, object)
	if err != nil {
		return object, err
	}
	return in.keepRules(ref, object)
}

// Conflicts are the changes that forbid all others.
func (p Plan) Conflicts() Plan {
	return slices.DeleteFunc(slices.Clone(p), func(c Change) bool { return c.Action != Conflict })
}

// change decides about one wanted object; the zero Change is none.
func (in Input) change(ref Ref, object desired.Object) (Change, error) {
	live, record, intent := in.Live[ref], in.Records[ref], object.Intent
	if old := in.predecessor(ref, intent); live == nil && old != nil {
		return Change{Action: Blocked, Passing: true, Reason: fmt.Sprintf("it takes the place of %s, and starts when that is gone", old)}, nil
	}
	if live == nil {
		reason := "it does not exist yet"
		if record.Intent != "" {
			reason = "it was deleted, or has lost its label"
		}
		return Change{Action: Create, Reason: reason, Intent: intent}, nil
	}
	if owner := live.GetLabels()[v1alpha1.LabelDeployment]; !in.owns(live, record) {
		return Change{Action: Conflict, Reason: "an object of that name exists and is not ours", Owner: owner}, nil
	}
	if live.GetLabels()[v1alpha1.LabelDeployment] == "" {
		return Change{Action: Heal, Reason: "it has lost its label", Fields: []string{"metadata.labels"}, Intent: intent}, nil
	}
	if live.GetDeletionTimestamp() != nil {
		return Change{Action: Blocked, Passing: true, Reason: "it is being deleted, and comes back when it is gone"}, nil
	}
	if field := incurable(live); field != "" {
		return Change{Action: Recreate, Reason: "others gave it what only a new object is without", Fields: []string{field}, Intent: intent}, nil
	}
	hash, err := IntentHash(intent)
	if err != nil {
		return Change{}, err
	}
	if hash != record.Intent {
		return Change{Action: Apply, Reason: "the wanted state has changed", Fields: differences(intent.Object, live.Object), Intent: intent}, nil
	}
	fingerprint, err := Fingerprint(live)
	if err != nil {
		return Change{}, err
	}
	if fingerprint != record.Live {
		return Change{Action: Heal, Reason: "others have changed it", Fields: differences(intent.Object, live.Object), Intent: intent}, nil
	}
	if _, shared := SoleOwner(live); shared {
		return Change{Action: Heal, Reason: "its record of owners was wiped, or a healing was interrupted", Fields: []string{"metadata.managedFields"}, Intent: intent}, nil
	}
	if record.UID != live.GetUID() { // made anew by a process that could not record it
		return Change{Action: Apply, Reason: "it is another object than the recorded one", Intent: intent}, nil
	}
	return Change{}, nil
}

// incurable is a field of others that takes ours away, and that the operator may not
// remove: with an aggregationRule, Kubernetes itself writes the rules of a ClusterRole,
// and only a cluster administrator may change one that has it.
func incurable(live *unstructured.Unstructured) string {
	if _, exists := live.Object["aggregationRule"]; exists && live.GetKind() == "ClusterRole" {
		return "aggregationRule"
	}
	return ""
}

// owns is true for an object with our label, and for one that lost it, as its record
// tells. An object with the label of another deployment is never ours.
func (in Input) owns(live *unstructured.Unstructured, record Record) bool {
	if owner := live.GetLabels()[v1alpha1.LabelDeployment]; owner != "" {
		return owner == in.Driver
	}
	return record.UID != "" && record.UID == live.GetUID()
}
