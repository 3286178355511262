// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
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
// serves volumes stays until there are none, and all that it needs until it is gone.
func (in Input) deletions(wanted map[Ref]bool) ([]Change, error) {
	var changes []Change
	workloads := false
	for ref, live := range in.Live {
		if wanted[ref] || !in.applied(ref, live) {
			continue
		}
		workloads = workloads || isWorkload(ref)
		if live.GetDeletionTimestamp() != nil {
			continue
		}
		// In the last step, so that what is blocked keeps nothing else waiting.
		change := Change{Ref: ref, Action: Delete, Reason: "it is not wanted any more", Live: live, Step: desired.StepClasses}
		use, err := in.needs(ref)
		if err != nil {
			return nil, err
		}
		if use != "" {
			change.Action, change.Reason = Blocked, "it is not wanted any more, and stays for "+use
		}
		changes = append(changes, change)
	}
	if workloads {
		changes = slices.DeleteFunc(changes, func(c Change) bool { return rank(c.Ref) > rank(Ref{Kind: "Deployment"}) })
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(rank(a.Ref), rank(b.Ref)), a.Ref.Compare(b.Ref)) })
	return changes, nil
}

// applied is true for an object that is ours and that we made.
func (in Input) applied(ref Ref, live *unstructured.Unstructured) bool {
	record := in.Records[ref]
	return in.owns(live, record) && (record.UID == live.GetUID() || slices.ContainsFunc(live.GetManagedFields(), isOurs))
}

// needs says what an object must stay for; empty if for nothing.
func (in Input) needs(ref Ref) (string, error) {
	if !isWorkload(ref) {
		return "", nil
	}
	use, err := in.Use()
	if ref.Kind == "Deployment" {
		return use.Attachments, err
	}
	return cmp.Or(use.Attachments, use.Volumes), err
}

// needsAttacher says why the attacher, which an intent has no more, must stay.
func (in Input) needsAttacher(intent, live *unstructured.Unstructured) (string, error) {
	if !hasContainer(live, sidecar.Attacher) || hasContainer(intent, sidecar.Attacher) {
		return "", nil
	}
	use, err := in.Use()
	if err != nil || use.Attachments == "" {
		return "", err
	}
	return "container " + sidecar.Attacher + " is not wanted any more, and stays for " + use.Attachments, nil
}

func hasContainer(workload *unstructured.Unstructured, name string) bool {
	containers, _, _ := unstructured.NestedSlice(workload.Object, "spec", "template", "spec", "containers")
	return slices.ContainsFunc(containers, func(c any) bool {
		fields, _ := c.(map[string]any)
		return fields["name"] == name
	})
}

func isWorkload(ref Ref) bool { return ref.Kind == "Deployment" || ref.Kind == "DaemonSet" }

// rank is the order in which objects go: first what asks for something new, last the
// rights of those that are gone.
func rank(ref Ref) int {
	switch {
	case ref.Kind == "StorageClass":
		return 0
	case isWorkload(ref):
		return 1
	case ref.Kind == "CSIDriver":
		return 2
	}
	return 3
}
