// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"strings"
	"unicode/utf8"
)

// maxProblem is what a problem takes at most, in bytes.
const maxProblem = 200

const ellipsis = "…"

// sentence makes one line without control characters of a text, cut to size.
func sentence(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	line = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, line)
	if len(line) <= maxProblem {
		return line
	}
	end := maxProblem - len(ellipsis)
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + ellipsis
}

// because adds the reason, if there is one.
func because(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}
