// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
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
		use, err := in.Use()
		if err != nil {
			return nil, err
		}
		if use.Attachments != "" {
			p[i].Action, p[i].Intent = Blocked, nil
			p[i].Reason = sidecar.AttacherContainer + " leaves it, and stays for " + use.Attachments
		}
	}
	return p, nil
}

// hasAttacher tells whether a workload runs the attacher.
func hasAttacher(workload *unstructured.Unstructured) bool {
	if workload == nil {
		return false
	}
	containers, _, _ := unstructured.NestedSlice(workload.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if fields, ok := c.(map[string]any); ok && fields["name"] == sidecar.AttacherContainer {
			return true
		}
	}
	return false
}

// keepRights leaves a workload whose change is blocked the rights that it has.
func keepRights(p Plan) Plan {
	blocked := map[string]bool{}
	for _, change := range p {
		if change.Action == Blocked && IsWorkload(change.Ref) && change.Live != nil {
			blocked[component(change.Live)] = true
		}
	}
	for i, change := range p {
		if change.Live == nil || !IsRight(change.Ref) || !blocked[component(change.Live)] {
			continue
		}
		if change.Action == Apply || change.Action == Delete {
			p[i].Action, p[i].Intent, p[i].Reason = Blocked, nil, "it changes with the workload that uses it"
		}
	}
	return p
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
