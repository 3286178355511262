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

// lastWords picks from what a container left behind, often the end of its log,
// the part that says why it ended: a panic, else the last line; of an error that
// came over gRPC the code and the words of whoever made it.
func lastWords(message string) string {
	last := ""
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	const mark = "rpc error: code = "
	at := strings.LastIndex(last, mark)
	if at < 0 {
		return last
	}
	code, words, found := strings.Cut(last[at+len(mark):], " desc = ")
	if !found {
		return last
	}
	return code + ": " + strings.ReplaceAll(words, `\"`, `"`)
}
