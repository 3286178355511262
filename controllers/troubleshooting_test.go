// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const troubleshooting = "../docs/troubleshooting.md"

// shown is what follows a marker in the documentation: a block of text.
var shown = regexp.MustCompile("(?s)<!-- situation: ([a-z-]+) -->\n```text\n.*?```\n")

// TestTroubleshooting: the documentation shows what kubectl printed on a real cluster, and
// has a section for each fault that was recorded.
func TestTroubleshooting(t *testing.T) {
	text, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	want := shown.ReplaceAllStringFunc(string(text), func(block string) string {
		name := shown.FindStringSubmatch(block)[1]
		told = append(told, name)
		return "<!-- situation: " + name + " -->\n```text\n" + excerptOf(t, name) + "```\n"
	})
	if *update {
		if err := os.WriteFile(troubleshooting, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("run go test ./controllers -run TestTroubleshooting -update; -want, +got:\n%s", diff)
	}
	files, err := filepath.Glob(filepath.Join(situations, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if !isWell(t, file) && !slices.Contains(told, name) {
			t.Errorf("%s says nothing of the situation %s", troubleshooting, name)
		}
	}
}

// isWell tells whether a recorded driver was Ready.
func isWell(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(conditionsIn(sectionsOf(string(text))["Status"]), func(lines []string) bool {
		return field(lines, "Type") == "Ready" && field(lines, "Status") == "True"
	})
}

// excerptOf is what of the recorded output tells of a fault: the condition that keeps the
// driver from being Ready, the first node and the first row that are not well, and the last
// event. The rest is cut.
func excerptOf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(situations, name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	get, describe, found := strings.Cut(string(text), "$ kubectl describe")
	if !found {
		t.Fatalf("%s.txt has no output of kubectl describe", name)
	}
	command, _, _ := strings.Cut(describe, "\n")
	sections := sectionsOf(describe)
	out := []string{strings.TrimSuffix(get, "\n"), "$ kubectl describe" + command, "…", "Status:", "  Conditions:"}
	out = append(out, causeIn(sections["Status"])...)
	nodes := part(sections["Status"], "  Nodes:")
	if list := blocks(part(nodes, "    Unregistered:"), "      Message:"); len(list) > 0 {
		out = append(append(out, "…", "  Nodes:", "    Unregistered:"), list[0]...)
	}
	if list := part(nodes, "    Stale:"); len(list) > 0 {
		out = append(append(out, "…", "  Nodes:"), list...)
	}
	if rows := unhealthyIn(sections["Status"]); len(rows) > 0 {
		out = append(append(out, "…", "  Sidecars:"), rows[0]...)
	}
	if events := sections["Events"]; len(events) > 3 {
		out = append(append(append(out, "…"), events[:3]...), events[len(events)-1])
	}
	return strings.Join(out, "\n") + "\n…\n"
}

// causeIn is the condition of a status that Ready repeats; Ready itself where it is True.
func causeIn(status []string) []string {
	all := conditionsIn(status)
	kind := "Ready"
	for _, condition := range all {
		if field(condition, "Type") == "Ready" && field(condition, "Status") != "True" {
			kind, _, _ = strings.Cut(field(condition, "Message"), ":")
		}
	}
	for _, condition := range all {
		if field(condition, "Type") == kind {
			return condition
		}
	}
	return nil
}

// sectionsOf are the parts of an output of kubectl describe that begin in the first column.
func sectionsOf(text string) map[string][]string {
	sections := map[string][]string{}
	var name string
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if head, _, found := strings.Cut(line, ":"); found && head != "" && head[0] != ' ' {
			name = head
		}
		sections[name] = append(sections[name], line)
	}
	return sections
}

// part is a line and the lines below it that are further to the right.
func part(lines []string, head string) []string {
	at := slices.Index(lines, head)
	if at < 0 {
		return nil
	}
	inner := strings.Repeat(" ", len(head)-len(strings.TrimLeft(head, " "))+1)
	end := at + 1
	for end < len(lines) && strings.HasPrefix(lines[end], inner) {
		end++
	}
	return lines[at:end]
}

// conditionsIn are the conditions of a status, each its lines.
func conditionsIn(status []string) [][]string {
	return blocks(part(status, "  Conditions:"), "    Last Transition Time:")
}

// blocks cuts lines before each that begins a new block.
func blocks(lines []string, begins string) [][]string {
	var all [][]string
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, begins):
			all = append(all, []string{line})
		case len(all) > 0:
			all[len(all)-1] = append(all[len(all)-1], line)
		}
	}
	return all
}

// unhealthyIn are the rows of a status that are not healthy.
func unhealthyIn(status []string) [][]string {
	return slices.DeleteFunc(blocks(part(status, "  Sidecars:"), "    Component:"), func(row []string) bool {
		return field(row, "State") == "Healthy"
	})
}

// field is the value of a line among the lines of a block.
func field(lines []string, name string) string {
	for _, line := range lines {
		if head, value, found := strings.Cut(strings.TrimSpace(line), ":"); found && head == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
