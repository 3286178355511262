// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import "k8s.io/apimachinery/pkg/runtime/schema"

// budget is a PodDisruptionBudget.
type budget struct {
	namespace, selector, spec string
}

func readBudget(h head, f fields) func(*set) {
	spec := f.child("spec")
	b := budget{namespace: h.namespace, selector: spaced(spec.tree("selector"))}
	b.spec = spaced(spec.left)
	return func(s *set) { s.budgets = append(s.budgets, b) }
}

// linkBudgets finds the workload of each budget. The recorded ones are the
// controller's.
func (s *set) linkBudgets() {
	for _, b := range s.budgets {
		of := " of nothing"
		for component, w := range s.workloads {
			if w.selector != b.selector || w.namespace != b.namespace {
				continue
			}
			of = ""
			if component != componentController {
				of = " of " + component
			}
		}
		s.facts.Other["PDB "+b.spec+of]++
	}
}

// readOther reads an object of a kind that the normal form does not know, as a
// whole.
func readOther(h head, kind schema.GroupVersionKind, f fields) func(*set) {
	key := kind.Kind + "/" + h.name
	if len(f.left) > 0 {
		key += " " + spaced(f.left)
	}
	key += " (" + kind.GroupVersion().String() + ")"
	clear(f.left)
	return func(s *set) { s.facts.Other[key]++ }
}
