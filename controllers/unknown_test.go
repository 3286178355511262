// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// TestFieldsUnknownToTheServer are left out, and told, wherever they are: an older
// API server would refuse all others with them.
func TestFieldsUnknownToTheServer(t *testing.T) {
	t.Parallel()
	d := driver(t)
	createNamespace(t, d.Spec.Namespace)
	set, err := desired.Render(d, facts)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"CSIDriver":  {"spec.futureField"},
		"Deployment": {"spec.futureField", "spec.template.spec.containers[name=\"driver\"].futureField", "spec.template.spec.futureField"},
	}
	for _, o := range set.Objects {
		spec, _, err := unstructured.NestedFieldNoCopy(o.Intent.Object, "spec")
		if err != nil || want[o.Intent.GetKind()] == nil {
			continue
		}
		fields, _ := spec.(map[string]any)
		fields["futureField"] = map[string]any{"a": "b"}
		if template, ok := fields["template"].(map[string]any); ok {
			pod, _ := template["spec"].(map[string]any)
			pod["futureField"] = "c"
			containers, _ := pod["containers"].([]any)
			first, _ := containers[0].(map[string]any)
			first["futureField"] = []any{"d"}
		}
	}
	p, err := plan.Make(plan.Input{Driver: d.Name, Wanted: set.Objects})
	if err != nil {
		t.Fatal(err)
	}
	report, err := apply.New(cluster, cluster).Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range report.Applied {
		if diff := cmp.Diff(want[a.Kind], a.Omitted); diff != "" {
			t.Errorf("%s: omitted: -want, +got:\n%s", a, diff)
		}
	}
}
