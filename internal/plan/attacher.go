// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// keepAttacher blocks what would take the attacher out of a workload while something is
// attached: nobody else takes its finalizers off volumes and attachments.
func (in Input) keepAttacher(p Plan) (Plan, error) {
	for i, change := range p {
		if change.Intent == nil || !IsWorkload(change.Ref) || !hasAttacher(change.Live) || hasAttacher(change.Intent) {
			continue
		}
		why, err := in.attaching(p)
		if err != nil {
			return nil, err
		}
		if why != "" {
			p[i].Action, p[i].Intent = Blocked, nil
			p[i].Reason = sidecar.AttacherContainer + " leaves it, and stays for " + why
		}
	}
	return p, nil
}

// attaching is what needs the attacher; empty for nothing.
func (in Input) attaching(p Plan) (string, error) {
	for _, change := range p {
		if change.Ref.Kind == "CSIDriver" && change.Action == Blocked && attaches(change.Live) {
			return "the CSIDriver, which has attachRequired: new volumes could never be attached", nil
		}
	}
	use, err := in.Use()
	return use.Attachments, err
}

// attaches tells whether Kubernetes asks for attachments of a driver's volumes.
func attaches(csiDriver *unstructured.Unstructured) bool {
	required, _, _ := unstructured.NestedBool(csiDriver.Object, "spec", "attachRequired")
	return required
}

// keepImmutable blocks a change of a CSIDriver that Kubernetes does not take.
func keepImmutable(p Plan) Plan {
	for i, change := range p {
		if change.Ref.Kind != "CSIDriver" || change.Live == nil || change.Intent == nil {
			continue
		}
		for _, field := range [...]string{"attachRequired", "volumeLifecycleModes"} {
			was, is := fieldOf(change.Live, field), fieldOf(change.Intent, field)
			if is != "" && was != "" && was != is {
				p[i].Action, p[i].Intent = Blocked, nil
				p[i].Reason = fmt.Sprintf("%s cannot be changed from %s to %s in Kubernetes; undo the change, or delete the CSIDriver once no volume needs it, to have it made anew", field, was, is)
			}
		}
	}
	return p
}

// fieldOf is a field of a spec as text, lists in order; empty for none.
func fieldOf(o *unstructured.Unstructured, field string) string {
	value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", field)
	if !found {
		return ""
	}
	list, isList := value.([]any)
	if !isList {
		return fmt.Sprint(value)
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		texts = append(texts, fmt.Sprint(item))
	}
	slices.Sort(texts)
	return fmt.Sprint(texts)
}

func hasAttacher(workload *unstructured.Unstructured) bool {
	return runs(workload, sidecar.AttacherContainer)
}

// runs tells whether the pods of a workload have a container; those of none do not.
func runs(workload *unstructured.Unstructured, container string) bool {
	return workload != nil && slices.Contains(ContainerNames(workload), container)
}

// ContainerNames are those of a workload's pods.
func ContainerNames(workload *unstructured.Unstructured) (names []string) {
	containers, _, _ := unstructured.NestedSlice(workload.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if fields, ok := c.(map[string]any); ok {
			name, _ := fields["name"].(string)
			names = append(names, name)
		}
	}
	return names
}

// keepRights leaves a workload whose change is blocked the rights that it has, and pods of
// an older template who they are.
func (in Input) keepRights(p Plan) Plan {
	blocked, changing := map[string]bool{}, map[string]bool{}
	for _, change := range p {
		if IsWorkload(change.Ref) && change.Live != nil {
			blocked[component(change.Live)] = change.Action == Blocked
			changing[component(change.Live)] = true
		}
	}
	for ref, live := range in.Live {
		if IsWorkload(ref) && !rolledOut(live) {
			changing[component(live)] = true
		}
	}
	for i, change := range p {
		if change.Live == nil || !IsRight(change.Ref) {
			continue
		}
		of := component(change.Live)
		if change.Action == Apply && blocked[of] || change.Action == Delete && changing[of] {
			p[i].Action, p[i].Intent, p[i].Passing = Blocked, nil, true
			p[i].Reason = "it changes after the workload that uses it"
		}
	}
	return p
}

// rolledOut tells whether the pods of a workload are all of its newest template.
func rolledOut(workload *unstructured.Unstructured) bool {
	count := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(workload.Object, path...)
		return n
	}
	if count("status", "observedGeneration") < workload.GetGeneration() {
		return false
	}
	if workload.GetKind() == "DaemonSet" {
		return count("status", "updatedNumberScheduled") >= count("status", "currentNumberScheduled")
	}
	return count("status", "updatedReplicas") >= count("status", "replicas")
}

// IsRight is true for who a pod is, and for what it may do.
func IsRight(ref Ref) bool {
	switch ref.Kind {
	case "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding":
		return true
	default:
		return false
	}
}
