// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"maps"
	"slices"
)

// findings are what is noticed while objects are read.
type findings struct {
	// beyond are the fields that nobody read, by path.
	beyond map[string]string
	// errs are what no API server would accept or no cluster could run.
	errs []error
}

func (f *findings) fail(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf(format, args...))
}

// fields is one JSON object while it is read. Whatever is read is taken out.
// Its owner calls rest at the end, so that nothing is overlooked.
type fields struct {
	at    string
	left  map[string]any
	found *findings
}

func take[T any](f fields, name string) T {
	raw, given := f.left[name]
	delete(f.left, name)
	value, ok := raw.(T)
	if given && !ok {
		f.found.fail("%s: is a %T", f.path(name), raw)
	}
	return value
}

func (f fields) path(name string) string { return f.at + "/" + name }

func (f fields) text(name string) string { return take[string](f, name) }

func (f fields) flag(name string) bool { return take[bool](f, name) }

func (f fields) number(name string) int64 { return take[int64](f, name) }

func (f fields) tree(name string) map[string]any { return take[map[string]any](f, name) }

// child is the object below name, without fields where there is none.
func (f fields) child(name string) fields {
	return fields{at: f.path(name), left: f.tree(name), found: f.found}
}

// items are the objects of the list below name.
func (f fields) items(name string) []fields {
	var list []fields
	for i, raw := range take[[]any](f, name) {
		item, ok := raw.(map[string]any)
		if !ok {
			f.found.fail("%s[%d]: is a %T", f.path(name), i, raw)
			continue
		}
		list = append(list, fields{at: fmt.Sprintf("%s[%s]", f.path(name), label(item, i)), left: item, found: f.found})
	}
	return list
}

// label is how an item of a list is called: by its name, else by its place.
func label(item any, place int) string {
	if object, ok := item.(map[string]any); ok {
		if name, ok := object["name"].(string); ok {
			return name
		}
	}
	return fmt.Sprint(place)
}

// texts are the strings of the list below name.
func (f fields) texts(name string) []string {
	var list []string
	for i, raw := range take[[]any](f, name) {
		value, ok := raw.(string)
		if !ok {
			f.found.fail("%s[%d]: is a %T", f.path(name), i, raw)
		}
		list = append(list, value)
	}
	return list
}

// words are the values of a map of strings below name. Quantities may be
// numbers, they are given as text as well.
func (f fields) words(name string) map[string]string {
	words := map[string]string{}
	for key, value := range f.tree(name) {
		words[key] = fmt.Sprint(value)
	}
	return words
}

// rest reports every field that nobody took.
func (f fields) rest() {
	for _, name := range slices.Sorted(maps.Keys(f.left)) {
		f.found.beyond[f.path(name)] = compact(f.left[name])
	}
}
