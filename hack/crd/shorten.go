// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// embedded is true for the fields of our API whose types are those of Kubernetes.
func embedded(field string) bool {
	switch field {
	case "allowedTopologies", "csiDriver", "env", "envFrom", "ports", "resources":
		return true
	default:
		return false
	}
}

// shorten blanks, wherever it is in node, what is inside embedded types.
func shorten(node any) {
	switch v := node.(type) {
	case map[string]any:
		for name, child := range v {
			if schema, ok := child.(map[string]any); ok && embedded(name) {
				blank(schema, true)
			} else {
				shorten(child)
			}
		}
	case []any:
		for _, item := range v {
			shorten(item)
		}
	}
}

// blank drops the descriptions of a schema's properties, and its own if it is no
// field of ours.
func blank(node any, ours bool) {
	switch v := node.(type) {
	case map[string]any:
		if _, described := v["description"].(string); described && !ours {
			delete(v, "description")
		}
		for _, child := range v {
			blank(child, false)
		}
	case []any:
		for _, item := range v {
			blank(item, false)
		}
	}
}
