// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// pathText writes a path as the API does everywhere: fields by dots, list items by
// their merge key in brackets, names with dots in quotes.
func pathText(path fieldpath.Path) string {
	var text strings.Builder
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			text.WriteString(fieldText(text.Len() == 0, *element.FieldName))
		case element.Key != nil:
			keys := make([]string, 0, len(*element.Key))
			for _, field := range *element.Key {
				keys = append(keys, scalarText(field.Value.Unstructured()))
			}
			text.WriteString(itemText(keys...))
		case element.Value != nil:
			text.WriteString(itemText(value.ToString(*element.Value)))
		case element.Index != nil:
			text.WriteString(itemText(fmt.Sprint(*element.Index)))
		}
	}
	return text.String()
}

func fieldText(first bool, name string) string {
	if strings.ContainsAny(name, ".[]/") {
		name = "\"" + name + "\""
	}
	if first {
		return name
	}
	return "." + name
}

func itemText(keys ...string) string { return "[" + strings.Join(keys, "/") + "]" }

func scalarText(v any) string { return fmt.Sprint(v) }
