// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/csi-operator/csi-operator/test/bench/audit"
)

// compared is a report of two repetitions in which the operator takes so many times
// as long as the floor.
func compared(t *testing.T, times float64) *report {
	t.Helper()
	r := newReport(options{repetitions: 2, drivers: 3})
	for _, stage := range []string{stageFirst, stageNext, stageMany} {
		for _, base := range []float64{100, 400} {
			r.add(armFloor, stage, sample{Applied: base, Settled: base})
			r.add(armLimited, stage, sample{Applied: base * 2, Settled: base * 2})
			r.add(armOperator, stage, sample{Applied: base * times, Settled: base * times, Requests: 1.2})
		}
	}
	if err := r.installations(); err != nil {
		t.Fatal(err)
	}
	r.finish()
	return r
}

func TestReportComparesPairs(t *testing.T) {
	for name, tc := range map[string]struct {
		times float64
		met   bool
	}{"Met": {1.25, true}, "SettledOnly": {1.45, false}, "Missed": {2, false}} {
		t.Run(name, func(t *testing.T) {
			r := compared(t, tc.times)
			if r.met() != tc.met {
				t.Errorf("met is %v: %+v", r.met(), r.Findings)
			}
			i := slices.IndexFunc(r.Findings, func(f finding) bool { return f.Target == 1 && f.Bound != nil })
			if got := r.Findings[i].Value; got != tc.times {
				t.Errorf("ratio %v, want %v", got, tc.times)
			}
		})
	}
}

func TestReportCounts(t *testing.T) {
	writes := audit.Records{{Verb: "patch", Path: "/apis/x", Code: 200}, {Verb: "patch", Path: "/apis/y", Code: 200}}
	r := newReport(options{})
	r.count(4, "nothing", nil, 0, "note")
	r.drift("Role", writes[:1], 1)
	if !r.met() {
		t.Errorf("missed: %+v", r.Findings)
	}
	r.drift("Role", writes, 1)
	if r.met() || len(r.Findings) != 2 || r.Findings[1].Value != 2 {
		t.Errorf("the worst of a kind is lost: %+v", r.Findings)
	}
	r.count(5, "too many", writes, 1, "")
	if note := r.Findings[2].Note; !strings.Contains(note, "patch /apis/x") {
		t.Errorf("note names no request: %q", note)
	}
}

func TestReportForms(t *testing.T) {
	r := compared(t, 1.4)
	var table strings.Builder
	if err := r.write(&table, outputTable); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"1.40 ×", "≤ 1.30 ×", "missed", "ok", "350 ms / 250 ms"} {
		if !strings.Contains(table.String(), part) {
			t.Errorf("no %q in\n%s", part, table.String())
		}
	}
	var text strings.Builder
	if err := r.write(&text, outputJSON); err != nil {
		t.Fatal(err)
	}
	var read report
	if err := json.Unmarshal([]byte(text.String()), &read); err != nil || len(read.Findings) != len(r.Findings) {
		t.Errorf("%d findings, error %v", len(read.Findings), err)
	}
}

func TestOptionsAskForParts(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want int
	}{"All": {nil, len(partNames())}, "Two": {[]string{"-parts", "many-nodes,size"}, 2}} {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, p := range (&bench{}).parts() {
				if o.asks(p.name) {
					n++
				}
			}
			if n != tc.want {
				t.Errorf("%d parts are measured, want %d", n, tc.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		bad  bool
	}{
		"Defaults":     {},
		"JSON":         {args: []string{"-o", "json", "-repetitions", "20"}},
		"NoSuchForm":   {args: []string{"-o", "yaml"}, bad: true},
		"NothingToDo":  {args: []string{"-repetitions", "0"}, bad: true},
		"NoWindow":     {args: []string{"-window", "0s"}, bad: true},
		"Argument":     {args: []string{"fast"}, bad: true},
		"UnknownFlag":  {args: []string{"-fast"}, bad: true},
		"TwoParts":     {args: []string{"-parts", "size,many-nodes"}},
		"NoSuchPart":   {args: []string{"-parts", "few-nodes"}, bad: true},
		"NoPart":       {args: []string{"-parts", ""}, bad: true},
		"AllFail":      {args: []string{"-own-nodes", "100"}, bad: true},
		"ShortWindows": {args: []string{"-window", "1s", "-memory-window", "1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if _, err := parse(tc.args, &out); tc.bad != (err != nil) {
				t.Errorf("error %v", err)
			}
		})
	}
}
