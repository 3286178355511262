// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNews is what is told of what was found, and when.
func TestNews(t *testing.T) {
	one, two := Answer{Key: testKey, Driver: "one"}, Answer{Key: testKey, Driver: "two"}
	newer, able := one, one
	newer.Version, able.Capabilities = "v2", []string{"Node/EXPAND_VOLUME"}
	broken, silent := errors.New("bro\nken"), errors.New("silent")
	found := func(a Answer) func(*news) { return func(n *news) { n.note(finding{answer: a}) } }
	failed := func(err error) func(*news) { return func(n *news) { n.note(finding{problem: err}) } }
	patienceRunsOut := (*news).complain

	for name, test := range map[string]struct {
		steps []func(*news)
		want  []Answer
	}{
		"AnAnswerAtOnce":            {[]func(*news){found(one)}, []Answer{one}},
		"TheSameAnswer":             {[]func(*news){found(one), found(one)}, []Answer{one}},
		"AnotherAnswer":             {[]func(*news){found(one), found(two), found(one)}, []Answer{one, two, one}},
		"AnotherVersion":            {[]func(*news){found(one), found(newer)}, []Answer{one, newer}},
		"OtherCapabilities":         {[]func(*news){found(one), found(able)}, []Answer{one, able}},
		"AProblemNeedsPatience":     {[]func(*news){failed(broken), found(one)}, []Answer{one}},
		"AProblemThatStays":         {[]func(*news){failed(broken), patienceRunsOut, patienceRunsOut, found(one)}, []Answer{problem("bro ken"), one}},
		"TheLastProblem":            {[]func(*news){failed(broken), failed(silent), patienceRunsOut}, []Answer{problem("silent")}},
		"AnotherProblem":            {[]func(*news){failed(broken), patienceRunsOut, failed(silent), patienceRunsOut}, []Answer{problem("bro ken"), problem("silent")}},
		"NoProblemAfterAnAnswer":    {[]func(*news){found(one), failed(silent), patienceRunsOut, found(one)}, []Answer{one}},
		"NothingKnownIsNoProblem":   {[]func(*news){patienceRunsOut}, nil},
		"AnAnswerEndsTheProblem":    {[]func(*news){failed(broken), found(one), patienceRunsOut}, []Answer{one}},
		"AProblemBeforeTheAnswered": {[]func(*news){failed(broken), patienceRunsOut, found(one), failed(broken), patienceRunsOut, found(two)}, []Answer{problem("bro ken"), one, two}},
	} {
		t.Run(name, func(t *testing.T) {
			var told []Answer
			n := &news{key: testKey, tell: func(a Answer) { told = append(told, a) }, log: slog.New(slog.DiscardHandler)}
			for _, step := range test.steps {
				step(n)
			}
			if diff := cmp.Diff(test.want, told); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestAProblemIsLoggedOnce: also after an answer, where it is not told.
func TestAProblemIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	n := &news{tell: func(Answer) {}, log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 2 {
		n.note(finding{answer: Answer{Driver: "one"}})
		n.note(finding{problem: errors.New("away")})
		n.complain()
		n.complain()
	}
	if got := strings.Count(log.String(), "problem=away"); got != 2 {
		t.Errorf("logged %d times, want once in each absence:\n%s", got, log.String())
	}
}
