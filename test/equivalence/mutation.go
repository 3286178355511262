// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Mutation is one change of one object of a list.
type Mutation struct {
	// Object and Path say where, Change says what. Without a path it is the
	// whole object that is removed or doubled.
	Object, Path, Change string

	objects []*unstructured.Unstructured
	place   int
	// path leads to what edit changes: an object or a list.
	path []any
	edit func(any) any
}

func (m Mutation) String() string {
	return fmt.Sprintf("%s: %s: %s", m.Object, m.Path, m.Change)
}

// Before is the object as it was.
func (m Mutation) Before() *unstructured.Unstructured { return m.objects[m.place] }

// After is what takes the place of the object: a changed copy, or two of it, or
// nothing.
func (m Mutation) After() []*unstructured.Unstructured {
	before := m.Before()
	if m.edit == nil {
		return map[string][]*unstructured.Unstructured{double: {before, before}}[m.Change]
	}
	changed, _ := edit(runtime.DeepCopyJSON(before.Object), m.path, m.edit).(map[string]any)
	return []*unstructured.Unstructured{{Object: changed}}
}

// Objects is the list after the change.
func (m Mutation) Objects() []*unstructured.Unstructured {
	return slices.Concat(m.objects[:m.place], m.After(), m.objects[m.place+1:])
}

// What is done to objects, fields and items of lists.
const (
	remove = "remove"
	double = "double"
	rename = "rename"
)

// edit applies change to what stands at path below value.
func edit(value any, path []any, change func(any) any) any {
	if len(path) == 0 {
		return change(value)
	}
	switch v := value.(type) {
	case map[string]any:
		name, _ := path[0].(string)
		v[name] = edit(v[name], path[1:], change)
	case []any:
		place, _ := path[0].(int)
		v[place] = edit(v[place], path[1:], change)
	}
	return value
}

// Mutations are all single changes of objects: every object is removed and
// doubled; every field is removed, renamed
// and, if it is a scalar, changed in every way that changesOf knows; every item
// of a list is removed, doubled and changed.
func Mutations(objects []*unstructured.Unstructured) []Mutation {
	var all []Mutation
	for i, object := range objects {
		w := walk{object: object.GetKind() + " " + object.GetName(), objects: objects, place: i}
		w.add("", nil, remove, nil)
		w.add("", nil, double, nil)
		w.visit("", nil, object.Object)
		all = append(all, w.all...)
	}
	return all
}

// walk collects the mutations of one object.
type walk struct {
	object  string
	objects []*unstructured.Unstructured
	place   int
	all     []Mutation
}

func (w *walk) add(at string, path []any, change string, edit func(any) any) {
	w.all = append(w.all, Mutation{
		Object: w.object, Path: at, Change: change,
		objects: w.objects, place: w.place, path: slices.Clone(path), edit: edit,
	})
}

func (w *walk) visit(at string, path []any, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below := joinPath(at, name)
			w.field(below, path, name, v[name])
			w.visit(below, append(path, name), v[name])
		}
	case []any:
		for i, item := range v {
			below := fmt.Sprintf("%s[%s]", at, label(item, i))
			w.item(below, path, i, item)
			w.visit(below, append(path, i), item)
		}
	}
}

// joinPath writes names that are no identifiers in brackets.
func joinPath(at, name string) string {
	switch {
	case strings.ContainsAny(name, "./"):
		return at + "[" + name + "]"
	case at == "":
		return name
	default:
		return at + "." + name
	}
}

// field adds the mutations of one field of an object.
func (w *walk) field(at string, path []any, name string, value any) {
	onObject := func(do func(map[string]any)) func(any) any {
		return func(object any) any {
			if fields, ok := object.(map[string]any); ok {
				do(fields)
			}
			return object
		}
	}
	w.add(at, path, remove, onObject(func(fields map[string]any) { delete(fields, name) }))
	w.add(at, path, rename, onObject(func(fields map[string]any) {
		fields[name+"x"] = fields[name]
		delete(fields, name)
	}))
	for _, other := range changesOf(value) {
		w.add(at, path, to(value, other), onObject(func(fields map[string]any) { fields[name] = other }))
	}
}

// item adds the mutations of one item of a list.
func (w *walk) item(at string, path []any, place int, value any) {
	onList := func(do func([]any) []any) func(any) any {
		return func(list any) any {
			items, _ := list.([]any)
			return do(items)
		}
	}
	w.add(at, path, remove, onList(func(items []any) []any { return slices.Delete(items, place, place+1) }))
	w.add(at, path, double, onList(func(items []any) []any {
		return slices.Insert(items, place, runtime.DeepCopyJSONValue(items[place]))
	}))
	for _, other := range changesOf(value) {
		w.add(at, path, to(value, other), onList(func(items []any) []any {
			items[place] = other
			return items
		}))
	}
}

func to(value, other any) string { return compact(value) + " -> " + compact(other) }

// digits are the last number in a text.
var digits = regexp.MustCompile(`[0-9]+([^0-9]*)$`)

// changesOf are other values of the same type, which are easily mistaken for
// value.
func changesOf(value any) []any {
	switch v := value.(type) {
	case bool:
		return []any{!v}
	case int64:
		return []any{v + 1}
	case float64:
		return []any{v + 1}
	case string:
		return changesOfText(v)
	default:
		return nil
	}
}

func changesOfText(text string) []any {
	list := []any{text + "x"}
	if at := digits.FindStringSubmatchIndex(text); at != nil {
		if number, err := strconv.ParseUint(text[at[0]:at[2]], 10, 64); err == nil {
			list = append(list, text[:at[0]]+strconv.FormatUint(number+1, 10)+text[at[2]:])
		}
	}
	for before, after := range map[string]string{"=true": "=false", "=false": "=true"} {
		if stem, found := strings.CutSuffix(text, before); found {
			list = append(list, stem+after)
		}
	}
	return list
}
