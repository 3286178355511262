// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// Use is what needs a driver's workloads, in words; empty for nothing.
type Use struct {
	// Volumes of the driver need what mounts them.
	Volumes string
	// Attachments need what detaches them.
	Attachments string
}

// deletions are for what is ours, was applied by us, and is not wanted any more. A copy
// that somebody made of one of our objects has our label too, and is not ours. What
// serves volumes stays until there are none, and what it needs until it is gone.
func (in Input) deletions(wanted map[Ref]bool) ([]Change, error) {
	var changes []Change
	for ref, live := range in.Live {
		if wanted[ref] || !in.applied(ref, live) {
			continue
		}
		obstacle, err := in.obstacle(ref, live)
		if err != nil {
			return nil, err
		}
		// In the last step, so that what is blocked keeps nothing else waiting.
		change := Change{Ref: ref, Action: Delete, Reason: unwanted, Live: live, Step: desired.StepWorkloads}
		if obstacle != "" {
			change.Action, change.Reason = Blocked, unwanted+", and "+obstacle
			change.Passing = live.GetDeletionTimestamp() != nil
		}
		changes = append(changes, change)
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(rank(a.Ref), rank(b.Ref)), a.Ref.Compare(b.Ref)) })
	return afterWorkloads(changes), nil
}

const unwanted = "it is not wanted any more"

// afterWorkloads lets what the workloads among sorted changes need wait for them.
func afterWorkloads(changes []Change) []Change {
	workloads := slices.ContainsFunc(changes, func(c Change) bool { return IsWorkload(c.Ref) })
	for i, c := range changes {
		if workloads && c.Action == Delete && rank(c.Ref) > rankOfWorkloads {
			changes[i].Action, changes[i].Passing = Blocked, true
			changes[i].Reason = unwanted + ", and goes after the workloads"
		}
	}
	return changes
}

// obstacle says why an object cannot be deleted now; empty if it can.
func (in Input) obstacle(ref Ref, live *unstructured.Unstructured) (string, error) {
	if live.GetDeletionTimestamp() != nil {
		return "is being deleted", nil
	}
	if !IsWorkload(ref) {
		return "", nil
	}
	if ref.Kind != "DaemonSet" && in.successor(live) {
		return "", nil
	}
	use, err := in.Use()
	needed := use.Attachments
	if ref.Kind == "DaemonSet" {
		needed = cmp.Or(needed, use.Volumes)
	}
	if err != nil || needed == "" {
		return "", err
	}
	return "stays for " + needed, nil
}

// successor tells whether another workload takes the place of one that is to go. It
// starts when that is gone.
func (in Input) successor(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(in.Wanted, func(o desired.Object) bool {
		return IsWorkload(RefOf(o.Intent)) && component(o.Intent) == component(live)
	})
}

// predecessor is a workload in whose place a wanted one comes, and that still exists.
func (in Input) predecessor(ref Ref, intent *unstructured.Unstructured) *Ref {
	if !IsWorkload(ref) {
		return nil
	}
	for other, live := range in.Live {
		wanted := slices.ContainsFunc(in.Wanted, func(o desired.Object) bool { return RefOf(o.Intent) == other })
		if IsWorkload(other) && !wanted && component(live) == component(intent) && in.applied(other, live) {
			return &other
		}
	}
	return nil
}

func component(o *unstructured.Unstructured) string { return o.GetLabels()[v1alpha1.LabelComponent] }

// applied is true for an object that is ours and that we made.
func (in Input) applied(ref Ref, live *unstructured.Unstructured) bool {
	record := in.Records[ref]
	return in.owns(live, record) && (record.UID == live.GetUID() || IsApplied(live))
}

// IsWorkload is true for what runs pods.
func IsWorkload(ref Ref) bool {
	return ref.Kind == "Deployment" || ref.Kind == "StatefulSet" || ref.Kind == "DaemonSet"
}

// rankOfWorkloads is that of what runs pods.
const rankOfWorkloads = 1

// rank is the order in which objects go: first what asks for something new, last the
// rights of those that are gone.
func rank(ref Ref) int {
	switch {
	case desired.IsClass(ref.Kind):
		return 0
	case IsWorkload(ref):
		return rankOfWorkloads
	case ref.Kind == "CSIDriver":
		return 2
	}
	return 3
}
