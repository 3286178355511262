// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"fmt"
	"strings"
)

// reasonMark stands between a key and its reason.
const reasonMark = "  # "

// Justified are the reasons, by key, why a mutant may survive.
type Justified map[string]string

// ParseJustified reads lines of a key, two spaces, a "#" and a reason. Empty lines
// and those that begin with "#" say nothing.
func ParseJustified(text string) (Justified, error) {
	j := Justified{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndex(line, reasonMark)
		if at < 0 {
			return nil, fmt.Errorf("line %d has no reason; write it behind %q", i+1, reasonMark)
		}
		key := strings.TrimSpace(line[:at])
		if _, exists := j[key]; exists {
			return nil, fmt.Errorf("line %d justifies a mutant again: %s", i+1, key)
		}
		j[key] = line[at+len(reasonMark):]
	}
	return j, nil
}
