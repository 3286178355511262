// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// tree is a Container or a pod as the JSON of its type.
type tree = map[string]any

// treeOf converts a typed value.
func treeOf(typed any) (tree, error) {
	t, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, fmt.Errorf("converting %T: %w", typed, err)
	}
	return t, nil
}

// into converts back; typed is a pointer.
func into(t tree, typed any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(t, typed); err != nil {
		return fmt.Errorf("converting to %T: %w", typed, err)
	}
	return nil
}

// merge lays a fragment over a tree of the given type, as a strategic merge patch:
// objects field by field, lists with a key element by element, other lists as a whole.
// Where the type admits one of several, what the fragment chooses takes the others away.
func merge(base, fragment tree, schema any) (tree, error) {
	before, fragment := runtime.DeepCopyJSON(base), runtime.DeepCopyJSON(fragment)
	yield(base, fragment)
	merged, err := strategicpatch.StrategicMergeMapPatch(base, fragment, schema)
	if err != nil {
		return nil, fmt.Errorf("merging: %w", err)
	}
	restoreOrder(before, merged)
	return merged, nil
}

// restoreOrder puts what is new in a list behind what was there: the driver stays the
// first container.
func restoreOrder(before, merged tree) {
	for name, value := range merged {
		key := mergeKey(name)
		items, old := itemsOf(value), itemsOf(before[name])
		if key == "" || len(items) == 0 {
			continue
		}
		place := func(item any) int {
			if at := find(old, key, keyOf(item, key)); at >= 0 {
				return at
			}
			return len(old)
		}
		slices.SortStableFunc(items, func(a, b any) int { return cmp.Compare(place(a), place(b)) })
		for _, item := range items {
			inner, ok := item.(tree)
			if at := place(item); ok && at < len(old) {
				restoreOrder(old[at].(tree), inner) //nolint:forcetypeassert // find returns objects only
			}
		}
	}
}

// wholes are the lists whose elements are replaced, not merged: a volume has one source
// and a variable one value.
var wholes = [...]string{"env", "volumes"}

// yield takes from base what cannot stand beside what fragment has.
func yield(base, fragment tree) {
	for _, list := range wholes {
		given := itemsOf(fragment[list])
		if kept, ok := base[list].([]any); ok && len(given) > 0 {
			base[list] = slices.DeleteFunc(kept, func(old any) bool { return find(given, "name", keyOf(old, "name")) >= 0 })
		}
	}
	for _, probe := range [...]string{"livenessProbe", "readinessProbe", "startupProbe"} {
		yieldOne(base[probe], fragment[probe], "exec", "grpc", "httpGet", "tcpSocket")
	}
	for _, list := range [...]string{"containers", "initContainers"} {
		old := itemsOf(base[list])
		for _, item := range itemsOf(fragment[list]) {
			if at := find(old, "name", keyOf(item, "name")); at >= 0 {
				yield(old[at].(tree), item.(tree)) //nolint:forcetypeassert // find returns objects only
			}
		}
	}
}

// yieldOne takes away all alternatives of base where fragment has chosen one.
func yieldOne(base, fragment any, alternatives ...string) {
	old, isObject := base.(tree)
	chosen, given := fragment.(tree)
	if !isObject || !given {
		return
	}
	picked := slices.ContainsFunc(alternatives, func(a string) bool { return chosen[a] != nil })
	maps.DeleteFunc(old, func(field string, _ any) bool {
		return picked && chosen[field] == nil && slices.Contains(alternatives, field)
	})
}

func itemsOf(list any) []any {
	items, _ := list.([]any)
	return items
}

func keyOf(item any, key string) any {
	object, _ := item.(tree)
	return object[key]
}

// find is the place of the object in a list that has a value in a field; -1 for none.
func find(list []any, field string, value any) int {
	return slices.IndexFunc(list, func(item any) bool {
		object, ok := item.(tree)
		return ok && value != nil && fmt.Sprint(object[field]) == fmt.Sprint(value)
	})
}
