// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func controllerWith(c Container) Facts {
	return Facts{Workloads: map[string]Workload{componentController: {Kind: "Deployment", Affinity: "{}", Containers: map[string]Container{driver: c}}}}
}

// TestCompare has what two containers say and where they differ.
func TestCompare(t *testing.T) {
	const at = "workloads/controller/containers/driver/"
	cases := map[string]struct {
		want, got Container
		list      []Difference
	}{
		"Equal":         {Container{Image: "a"}, Container{Image: "a"}, nil},
		"Value":         {Container{Image: "a"}, Container{Image: "b"}, []Difference{{at + "image", "a", "b"}}},
		"Duration":      {Container{Args: map[string]int{"--t=60s": 1}}, Container{Args: map[string]int{"--t=1m0s": 1}}, nil},
		"Argument":      {Container{Args: map[string]int{"--a": 1}}, Container{Args: map[string]int{"--b": 2}}, []Difference{{at + "args/--a", "1", absent}, {at + "args/--b", absent, "2"}}},
		"Quantity":      {Container{Resources: map[string]map[string]string{"limits": {"cpu": "1"}}}, Container{Resources: map[string]map[string]string{"limits": {"cpu": "1000m"}}}, nil},
		"OtherQuantity": {Container{Resources: map[string]map[string]string{"limits": {"cpu": "1"}}}, Container{Resources: map[string]map[string]string{"limits": {"cpu": "2"}}}, []Difference{{at + "resources/limits/cpu", "1", "2"}}},
		"NoQuantity":    {Container{Resources: map[string]map[string]string{"limits": {"cpu": "1"}}}, Container{Resources: map[string]map[string]string{"limits": {"cpu": "x"}}}, []Difference{{at + "resources/limits/cpu", "1", "x"}}},
		"OrderOfMounts": {Container{Mounts: []string{"a", "b"}}, Container{Mounts: []string{"b", "a"}}, nil},
		"MountTwice":    {Container{Mounts: []string{"a"}}, Container{Mounts: []string{"a", "a"}}, []Difference{{at + "mounts/a", "1", "2"}}},
		"OrderOfWords":  {Container{Command: []string{"a", "b"}}, Container{Command: []string{"b", "a"}}, []Difference{{at + "command", `["a","b"]`, `["b","a"]`}}},
		"NumberOrText":  {Container{LivenessProbe: map[string]any{"port": float64(1)}}, Container{LivenessProbe: map[string]any{"port": int64(1)}}, nil},
		"NullOrAbsent":  {Container{Lifecycle: map[string]any{"a": nil, "b": []any{}}}, Container{}, nil},
		"Port":          {Container{Ports: [][]any{{float64(1), "TCP"}}}, Container{Ports: [][]any{{int64(1), "UDP"}}}, []Difference{{at + `ports/[1,"TCP"]`, "1", absent}, {at + `ports/[1,"UDP"]`, absent, "1"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.list, Compare(controllerWith(tc.want), controllerWith(tc.got), Allowances{})); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestCompareDrivers(t *testing.T) {
	facts := func(spec map[string]any) Facts { return Facts{CSIDrivers: map[string]map[string]any{"x": spec}} }
	cases := map[string]struct {
		want, got map[string]any
		list      []Difference
	}{
		"Assumed": {map[string]any{}, map[string]any{"attachRequired": true, "volumeLifecycleModes": []any{"Persistent"}}, nil},
		"Order":   {map[string]any{"volumeLifecycleModes": []any{"Persistent", "Ephemeral"}}, map[string]any{"volumeLifecycleModes": []any{"Ephemeral", "Persistent"}}, nil},
		"Attach":  {map[string]any{"attachRequired": false}, map[string]any{}, []Difference{{"csidriver/x/attachRequired", "false", "true"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.list, Compare(facts(tc.want), facts(tc.got), Allowances{})); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestAllowances allows some of two differences.
func TestAllowances(t *testing.T) {
	want, got := controllerWith(Container{Image: "a"}), controllerWith(Container{Image: "b"})
	got.Beyond = map[string]string{"x": "1"}
	const image = "workloads/controller/containers/driver/image"
	cases := map[string]struct {
		allow []Allowed
		list  []Difference
	}{
		"None":  {nil, []Difference{{"beyond/x", absent, "1"}, {image, "a", "b"}}},
		"Both":  {[]Allowed{{Got: "b", Paths: []string{image}}, {Got: "1", Paths: []string{"beyond/x"}}}, nil},
		"Other": {[]Allowed{{Got: "b", Paths: []string{image}}, {Got: "2", Paths: []string{"beyond/x"}}}, []Difference{{"beyond/x", absent, "1"}, {"beyond/x", "the allowed 2", "no such difference"}}},
		"Vain":  {[]Allowed{{Got: "b", Paths: []string{image, "y"}}}, []Difference{{"beyond/x", absent, "1"}, {"y", "the allowed b", "no such difference"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.list, Compare(want, got, Allowances{Differences: tc.allow})); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestCountAllowances(t *testing.T) {
	allow := Allowances{
		Differences: []Allowed{{Paths: []string{"a", "b"}}, {Paths: []string{"c"}}},
		ExtraRights: map[string][]string{"node": {"d"}, componentController: {"e", "f"}},
	}
	if got := allow.count(); got != 6 {
		t.Errorf("got %d, want 6", got)
	}
}

func TestLoadAllowancesRefuses(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"NoReason":     {"differences: [{got: a, paths: [b]}]", "reason, got or paths is missing"},
		"NoPath":       {"differences: [{reason: r, got: a}]", "reason, got or paths is missing"},
		"NoValue":      {"differences: [{reason: r, paths: [b]}]", "reason, got or paths is missing"},
		"UnknownField": {"difference: []", "decoding allowances"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "allowances.yaml")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadAllowances(path); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := LoadAllowances("testdata/allowances/none.yaml"); err == nil {
		t.Error("allowances of no driver were read")
	}
}
