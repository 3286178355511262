// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// ForeignFields are the fields of an object, metadata and status apart, that others
// set and the operator does not: sorted, at most limit. Where nothing below a field
// is the operator's, it stands for all that is below it.
func ForeignFields(live *unstructured.Unstructured, limit int) ([]string, error) {
	ours, err := ownFields(live)
	if err != nil {
		return nil, err
	}
	theirs, err := otherFields(live)
	if err != nil {
		return nil, err
	}
	var fields []string
	for _, top := range elements(theirs) {
		if isContent(top) {
			fields = appendForeign(fields, theirs, ours, fieldpath.Path{}, top)
		}
	}
	slices.Sort(fields)
	return fields[:min(limit, len(fields))], nil
}

// LastWriter is who, of all others, last wrote one of the given fields, as a Change names
// them; empty if nobody holds any, or there is no object.
func LastWriter(live *unstructured.Unstructured, fields []string) string {
	if live == nil {
		return ""
	}
	var last metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if isOurs(entry) || inNameOnly(entry) || entry.Subresource != "" || entry.Time.Before(last.Time) {
			continue
		}
		theirs, err := fieldsOf(live, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == entry.Manager && e.Subresource == "" })
		if err == nil && holdsAny(theirs, fields) {
			last = entry
		}
	}
	return last.Manager
}

// holdsAny does not leave the iteration early: the set would go on, and panic.
func holdsAny(set *fieldpath.Set, fields []string) bool {
	found := false
	set.Iterate(func(path fieldpath.Path) { found = found || slices.Contains(fields, pathText(path)) })
	return found
}

func appendForeign(fields []string, theirs, ours *fieldpath.Set, prefix fieldpath.Path, element fieldpath.PathElement) []string {
	path := append(prefix.Copy(), element)
	if isAlias(element) {
		return fields
	}
	oursBelow := ours.WithPrefix(element)
	if !ours.Members.Has(element) && oursBelow.Empty() {
		return append(fields, pathText(path))
	}
	below := theirs.WithPrefix(element)
	for _, next := range elements(below) {
		fields = appendForeign(fields, below, oursBelow, path, next)
	}
	return fields
}

// isAlias is true for the old name of serviceAccountName, which the API server keeps
// equal to it.
func isAlias(element fieldpath.PathElement) bool {
	return element.FieldName != nil && *element.FieldName == "serviceAccount"
}

// elements are what a set has directly below its root, each once.
func elements(set *fieldpath.Set) []fieldpath.PathElement {
	all := fieldpath.MakePathElementSet(set.Members.Size())
	set.Members.Iterate(all.Insert)
	set.Children.Iterate(all.Insert)
	var out []fieldpath.PathElement
	all.Iterate(func(e fieldpath.PathElement) { out = append(out, e) })
	return out
}

func isContent(top fieldpath.PathElement) bool {
	return top.FieldName != nil && !slices.Contains([]string{"apiVersion", "kind", "metadata", "status"}, *top.FieldName)
}
