// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"bytes"
	"encoding/json"
	"strings"
)

// compact is value as JSON. What comes here was decoded from JSON or YAML, so
// that encoding it cannot fail.
func compact(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// spaced is compact with a blank behind each colon and comma, the way in which
// the recorded facts write JSON inside a string.
func spaced(value any) string {
	var out strings.Builder
	quoted, escaped := false, false
	for _, r := range compact(value) {
		out.WriteRune(r)
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ':' || r == ','):
			out.WriteByte(' ')
		}
	}
	return out.String()
}
