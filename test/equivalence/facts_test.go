// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	for _, driver := range drivers() {
		t.Run(driver, func(t *testing.T) {
			facts, err := Load("testdata/facts/" + driver + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if _, there := facts.Workloads[componentController].Containers["driver"]; !there {
				t.Errorf("no driver in the controller: %v", facts.Workloads)
			}
			if differences := Compare(facts, facts, Allowances{}); len(differences) > 0 {
				t.Errorf("differs from itself: %v", differences)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"NoJSON":       {`{`, "decoding facts"},
		"UnknownField": {`{"workloads": {"node": {"hostUsers": true}}}`, "hostUsers"},
		"Affinity":     {`{"workloads": {"node": {"affinity": "{"}}}`, "affinity of node"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "facts.json")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := Load("testdata/facts/none.json"); err == nil {
		t.Error("facts of no driver were read")
	}
}

func TestSpaced(t *testing.T) {
	cases := map[string]struct {
		value any
		want  string
	}{
		"Object": {map[string]any{"b": int64(1), "a": []any{"x", true}}, `{"a": ["x", true], "b": 1}`},
		"Text":   {`a:b,"c\,:`, `"a:b,\"c\\,:"`},
		"Angles": {"<self>", `"<self>"`},
		"Empty":  {map[string]any{}, `{}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := spaced(tc.value); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
