// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// differences are the paths, in order, at which an object is not as an intent has
// it. What the intent does not mention is no difference, inside of values that are
// claimed as a whole too: the API server fills in defaults there.
func differences(intent, live map[string]any) []string {
	var paths []string
	differ(intent, live, "", "", &paths)
	return paths
}

// Covers tells whether a value has all that a wanted one has.
func Covers(have, want any) bool {
	var paths []string
	differ(want, have, "", "", &paths)
	return len(paths) == 0
}

// differ compares what stands at a path; field is the name of the field there.
func differ(want, have any, at, field string, paths *[]string) {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			*paths = append(*paths, at)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			path := at + fieldText(at == "", name)
			if v, exists := h[name]; exists {
				differ(w[name], v, path, name, paths)
			} else if !isZero(w[name]) {
				*paths = append(*paths, path)
			}
		}
	case []any:
		h, _ := have.([]any)
		if keys := mergeKeys(field); keys != nil {
			differByKey(w, h, keys, at, paths)
		} else if !sameItems(w, h) {
			*paths = append(*paths, at)
		}
	default:
		if !sameScalar(want, have) {
			*paths = append(*paths, at)
		}
	}
}

func differByKey(want, have []any, keys []string, at string, paths *[]string) {
	for _, item := range want {
		path := at + itemText(keyOf(item, keys)...)
		i := slices.IndexFunc(have, func(h any) bool { return slices.Equal(keyOf(h, keys), keyOf(item, keys)) })
		if i < 0 {
			*paths = append(*paths, path)
			continue
		}
		differ(item, have[i], path, "", paths)
	}
}

func sameItems(want, have []any) bool {
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if !Covers(have[i], want[i]) {
			return false
		}
	}
	return true
}

// isZero is true for what the API server leaves out when it writes an object: a
// claimed false.
func isZero(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return v == nil || reflect.ValueOf(v).IsZero()
}

// sameScalar bears that one side was decoded from JSON.
func sameScalar(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && string(left) == string(right)
}

// mergeKeys are the keys of the items of lists that merge by key, by the name of
// their field; nil for lists that are claimed as a whole. They are the
// x-kubernetes-list-map-keys of Kubernetes' own schema.
func mergeKeys(field string) []string {
	switch field {
	case "containers", "initContainers", "volumes", "env", "imagePullSecrets":
		return []string{"name"}
	case "volumeMounts":
		return []string{"mountPath"}
	case "volumeDevices":
		return []string{"devicePath"}
	case "ports":
		return []string{"containerPort", "protocol"}
	case "topologySpreadConstraints":
		return []string{"topologyKey", "whenUnsatisfiable"}
	}
	return nil
}

// keyOf is the key of an item. A protocol that is left out is TCP.
func keyOf(item any, keys []string) []string {
	fields, _ := item.(map[string]any)
	values := make([]string, 0, len(keys))
	for _, key := range keys {
		v, exists := fields[key]
		if !exists && key == "protocol" {
			v = "TCP"
		}
		values = append(values, scalarText(v))
	}
	return values
}
