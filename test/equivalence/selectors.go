// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// readSelector reads how a workload finds its pods, which have the labels pod.
// It must find them, and by something.
func readSelector(f fields, raw map[string]any, pod labels.Set) labels.Selector {
	var typed metav1.LabelSelector
	if err := json.Unmarshal([]byte(compact(raw)), &typed); err != nil {
		f.found.fail("%s: has a selector that cannot be read: %w", f.at, err)
	}
	selector, err := metav1.LabelSelectorAsSelector(&typed)
	if err != nil {
		selector = labels.Nothing()
	}
	switch {
	case !selector.Matches(pod):
		f.found.fail("%s: does not select its own pods: %s", f.at, spaced(raw))
	case selector.Empty():
		f.found.fail("%s: selects every pod", f.at)
	}
	checkOwnership(f, typed.MatchLabels)
	return selector
}

// checkOwnership demands that a selector names both driver and component: one
// alone is shared with other workloads. A selector that names neither is not
// the operator's but the user's choice.
func checkOwnership(f fields, match map[string]string) {
	component, deployment := match[v1alpha1.LabelComponent] != "", match[v1alpha1.LabelDeployment] != ""
	switch {
	case component && !deployment:
		f.found.fail("%s: does not select by %s", f.at, v1alpha1.LabelDeployment)
	case deployment && !component:
		f.found.fail("%s: does not select by %s", f.at, v1alpha1.LabelComponent)
	}
}

// linkSelectors demands that no workload finds the pods of another one.
func (s *set) linkSelectors() {
	for component, w := range s.workloads {
		for other, o := range s.workloads {
			if other != component && o.namespace == w.namespace && w.finds.Matches(o.labels) {
				s.found.fail("%s: selects the pods of %s as well", w.identity, o.identity)
			}
		}
	}
}
