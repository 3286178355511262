// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// undeclared is how the API server names a field that its schema lacks: it answers
// so, with status 500, instead of applying the other fields.
var undeclared = regexp.MustCompile(`(?m)(\.\S+): field not declared in schema`)

// unknownFields are the paths of the fields that an API server does not know, as
// it writes them.
func unknownFields(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	paths := map[string]bool{}
	for _, match := range undeclared.FindAllStringSubmatch(status.Status().Message, -1) {
		paths[match[1]] = true
	}
	return slices.Sorted(maps.Keys(paths))
}

// removeFields removes the fields at the paths and returns the paths of those that
// were there.
func removeFields(fields map[string]any, paths []string) []string {
	var removed []string
	for _, path := range paths {
		if removeField(fields, split(path)) {
			removed = append(removed, strings.TrimPrefix(path, "."))
		}
	}
	return removed
}

// segment is one part of such a path; keys of list items may hold dots.
var segment = regexp.MustCompile(`[^.\[]+(\[[^\]]*\])?`)

func split(path string) []string { return segment.FindAllString(path, -1) }

// item is a list item in such a path: containers[name="driver"].
var item = regexp.MustCompile(`^([^\[]+)\[(.+)\]$`)

// removeField removes the field at the end of a path and tells whether it was there.
func removeField(fields map[string]any, path []string) bool {
	name, rest := path[0], path[1:]
	if len(rest) == 0 {
		_, exists := fields[name]
		delete(fields, name)
		return exists
	}
	match := item.FindStringSubmatch(name)
	if match == nil {
		below, ok := fields[name].(map[string]any)
		return ok && removeField(below, rest)
	}
	items, _ := fields[match[1]].([]any)
	for _, candidate := range items {
		below, ok := candidate.(map[string]any)
		if ok && matches(below, match[2]) && removeField(below, rest) {
			return true
		}
	}
	return false
}

// matches compares an item with keys like name="driver" or containerPort=80,protocol="TCP".
func matches(fields map[string]any, keys string) bool {
	for _, pair := range strings.Split(keys, ",") {
		name, want, _ := strings.Cut(pair, "=")
		if text(fields[name]) != strings.Trim(want, "\"") {
			return false
		}
	}
	return true
}
