// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseJustified(t *testing.T) {
	cases := map[string]struct {
		text    string
		want    Justified
		refused string
	}{
		"Lines":     {text: "# Comment.\n\na.go: F: x  # why\n  b.go: G: \"  # \" => \"\"  # why not\n", want: Justified{"a.go: F: x": "why", `b.go: G: "  # " => ""`: "why not"}},
		"NoReason":  {text: "\na.go: F: x\n", refused: "line 2 has no reason"},
		"TwoOfThem": {text: "a.go: F: x  # why\na.go: F: x  # again\n", refused: "line 2 justifies a mutant again"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseJustified(tc.text)
			if (err != nil) != (tc.refused != "") || err != nil && !strings.Contains(err.Error(), tc.refused) {
				t.Fatalf("error %v, want %q", err, tc.refused)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestReport(t *testing.T) {
	mutant := func(change string) Mutant {
		return Mutant{File: "internal/a/a.go", Line: 7, Function: "F", Change: change}
	}
	results := []Result{{
		Package:  "internal/a",
		Mutants:  []Mutant{mutant("killed"), mutant("open"), mutant("excused"), mutant("broken")},
		Outcomes: []Outcome{Killed, Survived, Survived, Discarded},
	}}
	justified := Justified{
		"internal/a/a.go: F: excused":    "it makes no difference",
		"internal/a/a.go: F: killed":     "stale",
		"internal/ab/b.go: F: elsewhere": "not looked at",
	}
	var out strings.Builder
	err := report(&out, results, justified)
	if err == nil || !strings.Contains(err.Error(), "1 survivors are not justified, 1 justifications are stale") {
		t.Errorf("error %v", err)
	}
	want := `survived: internal/a/a.go:7: F: open
justified, but does not survive: internal/a/a.go: F: killed
PACKAGE     MUTANTS  KILLED  DISCARDED  JUSTIFIED  SURVIVED
internal/a  4        1       1          1          1
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	results[0].Outcomes[1] = Killed
	delete(justified, "internal/a/a.go: F: killed")
	if err := report(&out, results, justified); err != nil {
		t.Errorf("nothing is open, but: %v", err)
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(nil); err != nil || len(all) != len(pure()) {
		t.Errorf("no name means %v, %v", all, err)
	}
	if one, err := choose([]string{"internal/plan"}); err != nil || len(one) != 1 || one[0].Dir != "internal/plan" {
		t.Errorf("got %v, %v", one, err)
	}
	if none, err := choose([]string{"internal/mount"}); err == nil {
		t.Errorf("got %v", none)
	}
}
