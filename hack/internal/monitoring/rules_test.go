// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestExtract(t *testing.T) {
	const group = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      up == 0 # said so\n"
	cases := map[string]struct{ object, want, problem string }{
		"Rules":    {object: "kind: PrometheusRule\nspec:\n  " + strings.ReplaceAll(group, "\n", "\n  "), want: group},
		"NoGroups": {object: "kind: PrometheusRule\nspec: {}\n", problem: "no PrometheusRule with groups"},
		"NoRule":   {object: "kind: Service\nspec: {groups: [{}]}\n", problem: `a "Service"`},
		"NoYAML":   {object: "{", problem: "reading rules.yaml"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := extract([]byte(tc.object))
			if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Fatalf("error %v, want %q", err, tc.problem)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestEveryAlertHasATest: one of its name, in which nothing fires first and it does in the end.
func TestEveryAlertHasATest(t *testing.T) {
	var file struct {
		Tests []struct {
			Name        string `json:"name"`
			Expressions []struct {
				Samples []struct {
					Labels string `json:"labels"`
				} `json:"exp_samples"`
			} `json:"promql_expr_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "config", "prometheus", testsFile)), &file); err != nil {
		t.Fatal(err)
	}
	fires := map[string]bool{}
	for _, test := range file.Tests {
		first, last := test.Expressions[0].Samples, test.Expressions[len(test.Expressions)-1].Samples
		for _, sample := range last {
			if len(first) == 0 && strings.Contains(sample.Labels, `alertname="`+test.Name+`"`) {
				fires[test.Name] = true
			}
		}
	}
	for _, alert := range alerts(t) {
		if !fires[alert.Alert] {
			t.Errorf("%s has no test of %s", testsFile, alert.Alert)
		}
	}
}
