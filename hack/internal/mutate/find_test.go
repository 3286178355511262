// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"go/parser"
	"go/token"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// inFunction is a source whose third line is the body of a function.
func inFunction(body string) string {
	return "package p\nfunc F(a, b int, s []string) (text string, err error) {\n" + body + "\n}\n"
}

// TestFind gives the changed third line of a source for each mutant.
func TestFind(t *testing.T) {
	cases := map[string]struct {
		body string
		want []string // the line, when each change is made
	}{
		"Comparison": {"_ = a < b", []string{"_ = a <= b", ""}},
		"Equality":   {"_ = a == b", []string{"_ = a != b", ""}},
		"Arithmetic": {"a -= b * 2", []string{"", "a -= b / 2", "a -= b * 3"}},
		"Logic": {"ok := x() && y()", []string{
			"ok := x() || y()", "ok := y()", "ok := x()",
		}},
		"Negation":          {"ok := !x", []string{"ok := x"}},
		"Words":             {"ok := min(true, false)", []string{"ok := max(true, false)", "ok := min(false, false)", "ok := min(true, true)"}},
		"Text":              {`x := "a" + ""`, []string{`x := "" + ""`, `x := "a" + "mutant"`}},
		"Condition":         {"if a < b { text = x }", []string{"if !(a < b) { text = x }", "if a <= b { text = x }", "if a < b {  }"}},
		"ReturnEarly":       {"if ok { return }", []string{"if !(ok) { return }", "if ok {}"}},
		"NegatedOnce":       {"if !ok { a++ }", []string{"if ok { a++ }", "if !ok {  }"}},
		"Statements":        {"defer x(); for { break }; go y(); f()", []string{"; for { break }; go y(); f()", "defer x(); for {  }; go y(); f()", "defer x(); for { break }; ; f()", "defer x(); for { break }; go y(); "}},
		"Definition":        {"x := a", nil},
		"Items":             {"x := []int{a, b}", []string{"x := []int{b}", "x := []int{a, }"}},
		"Texts":             {`x := []string{"a", "b"}`, []string{`x := []string{"b"}`, `x := []string{"a", }`}},
		"Fields":            {"x := T{A: a, B: T{}}", []string{"x := T{B: T{}}", "x := T{A: a, }"}},
		"Edits":             {"x := f(a, g(), h(s...))", []string{"x := f(a, h(s...))", "x := f(a, g(), )"}},
		"Cases":             {"switch { case a > b: }", []string{"switch { case !(a > b): }", "switch { case a >= b: }"}},
		"CasesOfATag":       {"switch a { case b, c, d: }", []string{"switch a { case c, d: }", "switch a { case b, d: }", "switch a { case b, c: }"}},
		"TypesAreLeft":      {"switch x.(type) { case [2]int: }; type t struct { A int `json:\"a\"` }; var y map[string][3]int", nil},
		"RoomIsLeft":        {"x, y, z := make([]int, 0, 5), make(map[int]int, 7), make([]int, 3)", []string{"x, y, z := make([]int, 0, 5), make(map[int]int, 7), make([]int, 4)"}},
		"NamesAreLeft":      {"x := v.true", nil},
		"BesideAnError":     {`if a == b { return "", err }`, []string{`if a != b { return "", err }`, "if a == b {}"}},
		"BesideAFalse":      {`return "", false`, []string{`return "", true`}},
		"ErrorItself":       {`return "", fmt.Errorf("x: %w", err)`, []string{`return "", fmt.Errorf("", err)`}},
		"ResultWithNoError": {`return "", nil`, []string{`return "mutant", nil`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			source := inFunction(tc.body)
			mutants, err := Find("p.go", []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range mutants {
				changed := string(m.Apply([]byte(source)))
				if _, err := parser.ParseFile(token.NewFileSet(), "", changed, 0); err != nil {
					t.Errorf("%s does not parse: %v", m, err)
				}
				prefix, suffix := inFunction(""), "\n}\n"
				got = append(got, changed[len(prefix)-len(suffix):len(changed)-len(suffix)])
			}
			sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
			if diff := cmp.Diff(tc.want, got, sorted); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestKeys stay when lines are added, and differ.
func TestKeys(t *testing.T) {
	source := "package p\n\nvar limit, rest = 1, 1\n\nfunc (t *T[K]) Add() {\n\tt.n += 2\n}\n"
	want := []string{
		"p.go: limit: 1 => 2 in var limit, rest = 1, 1",
		"p.go: limit: 1 => 2 in var limit, rest = 1, 1 (2)",
		"p.go: T.Add: remove t.n += 2",
		"p.go: T.Add: 2 => 3 in t.n += 2",
	}
	for _, prefix := range []string{"", "// Moved.\n\n"} {
		mutants, err := Find("p.go", []byte(prefix+source))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range mutants {
			got = append(got, m.Key())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	}
}

func TestBrokenSource(t *testing.T) {
	if mutants, err := Find("p.go", []byte("package")); err == nil {
		t.Errorf("found %v", mutants)
	}
}
