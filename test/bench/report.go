// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/stats"
)

// finding is one line of the report.
type finding struct {
	// Target is its number in docs/benchmarks.md.
	Target int     `json:"target"`
	What   string  `json:"what"`
	Unit   string  `json:"unit"`
	Value  float64 `json:"value"`
	// Bound is the greatest value that meets the target; nil for what only explains.
	Bound *float64 `json:"bound,omitempty"`
	Note  string   `json:"note,omitempty"`
}

func (f finding) met() bool { return f.Bound == nil || f.Value <= *f.Bound }

// report is all that was found.
type report struct {
	CPUs        int       `json:"cpus"`
	LoadBefore  string    `json:"loadBefore"`
	LoadAfter   string    `json:"loadAfter"`
	Repetitions int       `json:"repetitions"`
	Drivers     int       `json:"drivers"`
	Rehearsal   bool      `json:"rehearsal,omitempty"`
	Findings    []finding `json:"findings"`
	// Samples are all installations, by arm and stage, in order.
	Samples map[string]map[string][]sample `json:"samples"`
}

func newReport(o options) *report {
	return &report{
		CPUs: runtime.NumCPU(), LoadBefore: load(),
		Repetitions: o.repetitions, Drivers: o.drivers, Rehearsal: o.rehearsal(), Samples: map[string]map[string][]sample{},
	}
}

func (r *report) finish() {
	r.LoadAfter = load()
	slices.SortStableFunc(r.Findings, func(a, b finding) int { return cmp.Compare(a.Target, b.Target) })
}

// met is true if no target is missed.
func (r *report) met() bool {
	return !slices.ContainsFunc(r.Findings, func(f finding) bool { return !f.met() })
}

func (r *report) add(arm, stage string, s sample) {
	if r.Samples[arm] == nil {
		r.Samples[arm] = map[string][]sample{}
	}
	r.Samples[arm][stage] = append(r.Samples[arm][stage], s)
}

// value notes a measured value and its bound.
func (r *report) value(target int, what, unit string, value, bound float64, note string) {
	r.Findings = append(r.Findings, finding{Target: target, What: what, Unit: unit, Value: value, Bound: &bound, Note: note})
}

// explain notes a value that has no bound.
func (r *report) explain(target int, what, unit string, value float64, note string) {
	r.Findings = append(r.Findings, finding{Target: target, What: what, Unit: unit, Value: value, Note: note})
}

// count notes how many requests were sent, and the first of them if they are too many.
func (r *report) count(target int, what string, sent audit.Records, bound int, note string) {
	if len(sent) > bound {
		note = strings.TrimPrefix(note+"; first "+sent[0].String(), "; ")
	}
	r.value(target, what, "", float64(len(sent)), float64(bound), note)
}

// drift notes the writes that healed an object; of a kind, the most are kept.
func (r *report) drift(kind string, writes audit.Records, told int) {
	const what = "writes to heal: "
	note := fmt.Sprintf("and %d of status and events", told)
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.What == what+kind {
			if len(writes) > int(f.Value) {
				f.Value, f.Note = float64(len(writes)), note
			}
			return
		}
	}
	r.count(6, what+kind, writes, 1, note)
}

func spread(s stats.Summary) string { return fmt.Sprintf("p10–p90 %.2f–%.2f", s.P10, s.P90) }

// load is what the machine had to do in the last minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
