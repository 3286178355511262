// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// found is what stands at a path; an absent field is none that holds null.
type found struct {
	Exists bool
	Value  any
}

// find follows a path into an object. Where it goes through list items, their
// places are added to order.
func find(object any, path fieldpath.Path, order itemOrder) found {
	current := object
	for depth, element := range path {
		next := step(current, element)
		if !next.Exists {
			return found{}
		}
		if element.Key != nil {
			order.add(path[:depth], element.String(), next.index)
		}
		current = next.Value
	}
	return found{Exists: true, Value: current}
}

type stepped struct {
	found

	index int // in a list
}

func step(in any, element fieldpath.PathElement) stepped {
	if element.FieldName != nil {
		fields, _ := in.(map[string]any)
		v, exists := fields[*element.FieldName]
		return stepped{found: found{Exists: exists, Value: v}}
	}
	items, _ := in.([]any)
	for i, item := range items {
		if selects(element, item, i) {
			return stepped{found: found{Exists: true, Value: item}, index: i}
		}
	}
	return stepped{}
}

// selects tells whether an element of a path means an item of a list.
func selects(element fieldpath.PathElement, item any, index int) bool {
	switch {
	case element.Key != nil:
		fields, isMap := item.(map[string]any)
		for _, key := range *element.Key {
			v, exists := fields[key.Name]
			if !exists || !value.Equals(value.NewValueInterface(v), key.Value) {
				return false
			}
		}
		return isMap
	case element.Value != nil:
		return value.Equals(value.NewValueInterface(item), *element.Value)
	case element.Index != nil:
		return *element.Index == index
	}
	return false
}
