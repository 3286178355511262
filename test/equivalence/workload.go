// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// workload is a workload with what ties it to other objects.
type workload struct {
	identity
	Workload
	// selector of its pods, as spaced writes it, and what it finds.
	selector string
	finds    labels.Selector
	// labels of its pods.
	labels  labels.Set
	account string
	// token is what the pod says about the token of its account, if it does.
	token *bool
}

// readWorkload reads a Deployment, a StatefulSet or a DaemonSet.
func readWorkload(h head, f fields) func(*set) {
	w := workload{identity: h.identity}
	if h.component == "" {
		f.found.fail("%s: has no label %s", f.at, v1alpha1.LabelComponent)
	}
	spec := f.child("spec")
	w.Kind = h.kind
	if h.kind != "DaemonSet" {
		w.Replicas = new(spec.number("replicas"))
	}
	w.RevisionHistoryLimit = spec.number("revisionHistoryLimit")
	w.Rollout = readRollout(h.kind, spec)
	selector := spec.tree("selector")
	w.selector = spaced(selector)
	template := spec.child("template")
	metadata := template.child("metadata")
	w.labels = metadata.words("labels")
	w.finds = readSelector(f, selector, w.labels)
	// Annotations of pods are the operator's own.
	metadata.tree("annotations")
	metadata.rest()
	readPod(&w, template.child("spec"))
	template.rest()
	spec.rest()
	return func(s *set) {
		if _, there := s.workloads[h.component]; there {
			s.found.fail("%s: another workload is %s as well", f.at, h.component)
		}
		s.workloads[h.component] = w
		s.facts.Workloads[h.component] = w.Workload
	}
}

// readRollout is how pods are replaced: the type, how many may be missing and
// how many may be too much. Of StatefulSets only another way than the default
// is worth a word.
func readRollout(kind string, spec fields) []any {
	field := "updateStrategy"
	if kind == "Deployment" {
		field = "strategy"
	}
	strategy := spec.child(field)
	rolling := strategy.child("rollingUpdate")
	rollout := []any{strategy.text("type")}
	strategy.rest()
	if kind == "StatefulSet" {
		rollout = append(rollout, take[any](rolling, "partition"))
	} else {
		rollout = append(rollout, take[any](rolling, "maxUnavailable"), take[any](rolling, "maxSurge"))
	}
	rolling.rest()
	if slices.Equal(rollout, []any{"RollingUpdate", int64(0)}) {
		return nil
	}
	return rollout
}

// withoutSelf replaces the workload's own selector in an affinity.
func withoutSelf(tree any, selector string) any {
	switch v := tree.(type) {
	case map[string]any:
		for name, value := range v {
			if name == "labelSelector" && spaced(value) == selector {
				v[name] = "<self>"
			} else {
				v[name] = withoutSelf(value, selector)
			}
		}
	case []any:
		for i, item := range v {
			v[i] = withoutSelf(item, selector)
		}
	}
	return tree
}
