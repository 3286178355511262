// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Outcome is what became of a mutant.
type Outcome int

// The outcomes.
const (
	// Discarded: it does not compile.
	Discarded Outcome = iota
	// Killed: a test failed, or did not end.
	Killed
	// Survived: all tests passed.
	Survived
)

// Result is the mutants of one package, in the order of the source, and what
// became of them.
type Result struct {
	// Package is its folder below the root, with slashes.
	Package  string
	Mutants  []Mutant
	Outcomes []Outcome
}

func (r Result) count(o Outcome) int {
	n := 0
	for _, outcome := range r.Outcomes {
		if outcome == o {
			n++
		}
	}
	return n
}

func (r Result) survivors() []Mutant {
	var list []Mutant
	for i, m := range r.Mutants {
		if r.Outcomes[i] == Survived {
			list = append(list, m)
		}
	}
	return list
}

// Judge sorts survivors by whether they are justified. stale are the keys that
// justify, in one of the packages, what is not there or does not survive.
func Judge(results []Result, justified Justified) (unexplained []Mutant, stale []string) {
	open := maps.Clone(justified)
	maps.DeleteFunc(open, func(key, _ string) bool {
		return !slices.ContainsFunc(results, func(r Result) bool { return strings.HasPrefix(key, r.Package+"/") })
	})
	for _, r := range results {
		for _, m := range r.survivors() {
			if _, ok := justified[m.Key()]; !ok {
				unexplained = append(unexplained, m)
			}
			delete(open, m.Key())
		}
	}
	return unexplained, slices.Sorted(maps.Keys(open))
}

// WriteTable writes a line for each package.
func WriteTable(out io.Writer, results []Result, justified Justified) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(t, "PACKAGE\tMUTANTS\tKILLED\tDISCARDED\tJUSTIFIED\tSURVIVED"); err != nil {
		return err
	}
	for _, r := range results {
		unexplained, _ := Judge([]Result{r}, justified)
		excused := r.count(Survived) - len(unexplained)
		if _, err := fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\n",
			r.Package, len(r.Mutants), r.count(Killed), r.count(Discarded), excused, len(unexplained)); err != nil {
			return err
		}
	}
	return t.Flush()
}
