// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	subject = `package calc

const step = 1

type Sum struct{ n int }

// Add has a copy of itself for each mutant.
func (s *Sum) Add(list ...int) {
	for _, n := range list {
		s.n += n * step
	}
}

func First[T any](list []T, otherwise T) T {
	if len(list) > 0 {
		return list[0]
	}
	return otherwise
}

func Until(n int) int {
	i := 0
	for i < n {
		i++
	}
	return i
}

func Ignores(_ int) bool { return true }

func Untested() bool { return true }
`
	subjectTest = `package calc

import "testing"

func TestAll(t *testing.T) {
	s := Sum{}
	s.Add(1, 2)
	if s.n != 3 || First([]int{4}, 5) != 4 || First(nil, 5) != 5 || Until(3) != 3 || !Ignores(1) {
		t.Error("wrong")
	}
}
`
)

// module writes a module with one package and returns its folder.
func module(t *testing.T, test string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/calc\n\ngo 1.26\n", "calc/calc.go": subject, "calc/calc_test.go": test} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestRun tries mutants that share a binary (of a method, a generic function and a
// plain one) and some that cannot.
func TestRun(t *testing.T) {
	root := module(t, subjectTest)
	var progress strings.Builder
	match := regexp.MustCompile(`=> 2|=> /|remove s.n|First: |true|Until: <`)
	result, err := Run(t.Context(), Package{Dir: "calc"}, Options{Root: root, Match: match, Workers: 2, Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Outcome{}
	for i, m := range result.Mutants {
		got[m.Function+": "+m.Change] = result.Outcomes[i]
	}
	want := map[string]Outcome{
		"step: 1 => 2 in const step = 1":                                     Killed,
		"Sum.Add: remove s.n += n * step":                                    Discarded,
		"Sum.Add: * => / in s.n += n * step":                                 Survived,
		"First: len(list) > 0 => !(len(list) > 0) in if len(list) > 0 {":     Killed,
		"First: empty if len(list) > 0 { return list[0] }":                   Killed,
		"First: > => >= in if len(list) > 0 {":                               Killed,
		"First: 0 => 1 in if len(list) > 0 {":                                Killed,
		"First: 0 => 1 in return list[0]":                                    Killed,
		"Until: < => <= in for i < n {":                                      Killed,
		"Ignores: true => false in func Ignores(_ int) bool { return true }": Killed,
		"Untested: true => false in func Untested() bool { return true }":    Survived,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if !strings.HasSuffix(progress.String(), "calc: 10 of 10 tried, 2 survived\n") {
		t.Errorf("progress:\n%s", progress.String())
	}
	if text, err := os.ReadFile(filepath.Join(root, "calc", "calc.go")); err != nil || string(text) != subject {
		t.Errorf("the source was changed: %v\n%s", err, text)
	}
}

func TestRunRefuses(t *testing.T) {
	cases := map[string]struct{ test, want string }{
		"FailingTests": {strings.ReplaceAll(subjectTest, "s.n != 3", "s.n != 4"), "fail before anything is changed"},
		"BrokenTests":  {subjectTest + "broken", "do not build"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), Package{Dir: "calc"}, Options{Root: module(t, tc.test), Match: regexp.MustCompile("Until"), Progress: io.Discard})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestRunEndsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, Package{Dir: "calc"}, Options{Root: module(t, subjectTest), Progress: io.Discard})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
