// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// checkPools refuses pools that may select one node: two drivers of one name would fight
// for its socket.
func checkPools(parts []part) error {
	var pools []part
	for _, p := range parts {
		if p.kind != kindDaemonSet {
			continue
		}
		for _, other := range pools {
			if MayOverlap(other.template.Spec, p.template.Spec) {
				return invalid(p.field, "may select the same nodes as %s: give the pools nodeSelectors with different values for one label, or node affinities that exclude each other", other.field)
			}
		}
		pools = append(pools, p)
	}
	return nil
}

// MayOverlap tells whether pods of two specs may be put on one node: unless each pair of
// node selector terms contradicts itself.
func MayOverlap(a, b corev1.PodSpec) bool {
	for _, one := range termsOf(a) {
		for _, other := range termsOf(b) {
			if !contradict(slices.Concat(one, other)) {
				return true
			}
		}
	}
	return false
}

// termsOf are the alternatives of what a pod requires of its node.
func termsOf(spec corev1.PodSpec) [][]corev1.NodeSelectorRequirement {
	var always []corev1.NodeSelectorRequirement
	for key, value := range spec.NodeSelector {
		always = append(always, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}})
	}
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return [][]corev1.NodeSelectorRequirement{always}
	}
	var terms [][]corev1.NodeSelectorRequirement
	for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		terms = append(terms, slices.Concat(always, term.MatchExpressions))
	}
	return terms
}

// contradict tells whether no node can meet two of the requirements.
func contradict(requirements []corev1.NodeSelectorRequirement) bool {
	for i, a := range requirements {
		for _, b := range requirements[i+1:] {
			if a.Key == b.Key && (excludes(a, b) || excludes(b, a)) {
				return true
			}
		}
	}
	return false
}

// excludes tells whether what a admits is what b forbids.
func excludes(a, b corev1.NodeSelectorRequirement) bool {
	within := func(values []string) bool {
		return !slices.ContainsFunc(a.Values, func(v string) bool { return !slices.Contains(values, v) })
	}
	switch {
	case a.Operator == corev1.NodeSelectorOpIn && b.Operator == corev1.NodeSelectorOpIn:
		return !slices.ContainsFunc(a.Values, func(v string) bool { return slices.Contains(b.Values, v) })
	case a.Operator == corev1.NodeSelectorOpIn && b.Operator == corev1.NodeSelectorOpNotIn:
		return within(b.Values)
	case b.Operator == corev1.NodeSelectorOpDoesNotExist:
		return a.Operator == corev1.NodeSelectorOpIn || a.Operator == corev1.NodeSelectorOpExists
	default:
		return false
	}
}
