// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestNamesOf(t *testing.T) {
	cases := map[string]struct {
		driver string
		want   Names
	}{
		"Dots": {
			driver: "pool.csi-operator.io",
			want:   Names{Controller: "pool-csi-operator-io-3cf8b-controller", Node: "pool-csi-operator-io-3cf8b-node"},
		},
		"CutWhereADashWouldBeLast": {
			driver: "abcdefghijklmnopqrstuvwxyz012.example.com",
			want:   Names{Controller: "abcdefghijklmnopqrstuvwxyz012-7e7b2-controller", Node: "abcdefghijklmnopqrstuvwxyz012-7e7b2-node"},
		},
		"OneCharacter": {
			driver: "x",
			want:   Names{Controller: "x-2d711-controller", Node: "x-2d711-node"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, NamesOf(tc.driver)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// driverNames are names that are hard on whatever is derived from them.
func driverNames() []string {
	return []string{
		"a", "0", "a.b", "a-b", "a.b.c", "a-b.c", "a.b-c", "a-b-c",
		"pool.csi-operator.io",
		strings.Repeat("a", 63),
		strings.Repeat("a", 62) + "b",
		strings.Repeat("a.", 31) + "a",
		strings.Repeat("a-", 31) + "a",
		"a" + strings.Repeat("-", 61) + "a",
		"a" + strings.Repeat("-", 60) + "bc",
	}
}

func TestNamesFitAndDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, driver := range driverNames() {
		n := NamesOf(driver)
		for _, name := range []string{n.Controller, n.Node} {
			if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > 52 {
				t.Errorf("%q (%d characters) from %q is no DNS label of at most 52: %v", name, len(name), driver, problems)
			}
			if other, taken := seen[name]; taken {
				t.Errorf("%q and %q share the name %q", driver, other, name)
			}
			seen[name] = driver
		}
	}
}

func TestLabelsAreValid(t *testing.T) {
	for _, driver := range driverNames() {
		for key, value := range Labels(driver, v1alpha1.ComponentController) {
			if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
				t.Errorf("label %s=%q of %q: %v", key, value, driver, problems)
			}
			if problems := validation.IsQualifiedName(key); len(problems) > 0 {
				t.Errorf("label key %q: %v", key, problems)
			}
		}
	}
}

func TestNamespace(t *testing.T) {
	cases := map[string]struct {
		spec, status string
		want         string
	}{
		"TheOperatorsByDefault":             {want: "csi-operator-system"},
		"AsTheSpecSays":                     {spec: "a", want: "a"},
		"StaysWhenTheOperatorMoved":         {status: "b", want: "b"},
		"TheSpecWinsOverWhatWasOnceDecided": {spec: "a", status: "b", want: "a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := &v1alpha1.CSIDriverDeployment{}
			d.Spec.Namespace, d.Status.Namespace = tc.spec, tc.status
			if got := Namespace(d, facts()); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
