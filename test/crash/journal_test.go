// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// workersStart is what the operator logs when its caches are full.
	workersStart = "Starting workers"
	// sourceStarts is in many lines before that, which tell nothing.
	sourceStarts = "Starting EventSource"
	// stackBegins is before the part of a line that tells where in the code.
	stackBegins = `,"stacktrace":`
	// tailLines is how much of a log is shown.
	tailLines = 40
)

// journal takes the log of one process.
type journal struct {
	mu        sync.Mutex
	lines     []string
	rest      []byte        // a line that is not complete yet
	working   chan struct{} // closed at workersStart
	workingAt time.Time     // set before working is closed
}

func newJournal() *journal { return &journal{working: make(chan struct{})} }

// Write takes a part of the log.
func (j *journal) Write(text []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, text...)
	for {
		line, rest, found := bytes.Cut(j.rest, []byte("\n"))
		if !found {
			return len(text), nil
		}
		j.rest = slices.Clone(rest)
		if bytes.Contains(line, []byte(sourceStarts)) {
			continue
		}
		told, _, _ := bytes.Cut(line, []byte(stackBegins))
		j.lines = append(j.lines, string(told))
		if j.workingAt.IsZero() && bytes.Contains(line, []byte(workersStart)) {
			j.workingAt = time.Now()
			close(j.working)
		}
	}
}

// has tells whether a line holds a text.
func (j *journal) has(text string) bool { return j.count(text) > 0 }

// count is how many lines hold a text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, line := range j.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// tail is the end of the log.
func (j *journal) tail() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var text strings.Builder
	for _, line := range last(j.lines, tailLines) {
		text.WriteString(line + "\n")
	}
	return text.String()
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }
