// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// write prints the report in one of its forms.
func (r *report) write(out io.Writer, form string) error {
	if form == outputJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.table(out)
}

func (r *report) table(out io.Writer) error {
	fmt.Fprintf(out, "%d cores, load %s before and %s after, %d repetitions\n\n", r.CPUs, r.LoadBefore, r.LoadAfter, r.Repetitions)
	if r.Rehearsal {
		fmt.Fprintln(out, "This was a rehearsal: less of something than the targets are about.")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tWHAT\tMEASURED\tBOUND\t\tNOTE")
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", f.Target, f.What, f.text(f.Value), f.bound(), f.verdict(), f.Note)
	}
	return w.Flush()
}

// text is a value with as many digits as mean something.
func (f finding) text(value float64) string {
	digits := 2
	switch {
	case value == float64(int(value)):
		digits = 0
	case value >= 10:
		digits = 1
	}
	text := strconv.FormatFloat(value, 'f', digits, 64)
	if f.Unit == "" {
		return text
	}
	return text + " " + f.Unit
}

func (f finding) bound() string {
	if f.Bound == nil {
		return ""
	}
	return "≤ " + f.text(*f.Bound)
}

func (f finding) verdict() string {
	switch {
	case f.Bound == nil:
		return ""
	case f.met():
		return "ok"
	default:
		return "missed"
	}
}
