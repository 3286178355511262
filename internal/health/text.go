// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxMessage is how many bytes a message in status may have that is one of many.
const maxMessage = 256

const ellipsis = "…"

// Cut makes a message fit for status: one line of valid UTF-8 with at most 256
// bytes. What does not fit is replaced by an ellipsis.
func Cut(s string) string { return CutAt(maxMessage, s) }

// CutAt is Cut with another number of bytes, which is more than an ellipsis has.
func CutAt(bytes int, s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= bytes {
		return s
	}
	end := bytes - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// withoutPodName drops, of why a pod may not be created, what is another name at every
// attempt.
func withoutPodName(message string) string {
	text := strings.TrimPrefix(strings.TrimPrefix(message, "(combined from similar events): "), "Error creating: ")
	pod, cause, forbidden := strings.Cut(text, `" is forbidden: `)
	if !forbidden || !strings.HasPrefix(pod, `pods "`) {
		return message
	}
	return "pods are forbidden: " + cause
}

// lastWords picks from what a container left behind, often the end of its log,
// the part that says why it ended: a panic, else the error of the last line.
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
	return innermost(loggedError(last))
}

// loggedError is the error of a structured log line (err="…" as klog writes it,
// error="…" as slog does), else the line.
func loggedError(line string) string {
	for _, key := range []string{" err=", " error="} {
		_, value, found := strings.Cut(line, key)
		if !found {
			continue
		}
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			return value
		}
		if text, err := strconv.Unquote(quoted); err == nil {
			return text
		}
	}
	return line
}

// innermost is, of an error that came over gRPC, the code and the words of
// whoever made it.
func innermost(text string) string {
	const mark = "rpc error: code = "
	at := strings.LastIndex(text, mark)
	if at < 0 {
		return text
	}
	code, words, found := strings.Cut(text[at+len(mark):], " desc = ")
	if !found {
		return text
	}
	return code + ": " + words
}
