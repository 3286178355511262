// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"unicode/utf8"
)

// maxMessage is how many bytes a message in status may have.
const maxMessage = 256

const ellipsis = "…"

// Cut makes a message fit for status: one line of valid UTF-8 with at most 256
// bytes. What does not fit is replaced by an ellipsis.
func Cut(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
