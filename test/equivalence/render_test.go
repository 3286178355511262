// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// readDeployment reads what a user would write for a driver, and gives it the
// uid that an API server would.
func readDeployment(t *testing.T, driver string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	raw, err := os.ReadFile("testdata/cr/" + driver + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d v1alpha1.CSIDriverDeployment
	if err := yaml.UnmarshalStrict(raw, &d); err != nil {
		t.Fatal(err)
	}
	d.UID = "5c0ffee5-0000-4000-8000-000000000001"
	return &d
}

// render gives the objects that the operator makes for a driver, in a cluster
// that has all optional kinds.
func render(t *testing.T, driver string) []*unstructured.Unstructured {
	t.Helper()
	set, err := desired.Render(readDeployment(t, driver), desired.Facts{
		OperatorNamespace: "csi-operator-system",
		PoolDriverImage:   "example.com/pool-driver:v1",
		Served:            desired.Served{Snapshots: true, GroupSnapshots: true, AttributesClasses: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	objects := make([]*unstructured.Unstructured, 0, len(set.Objects))
	for _, object := range set.Objects {
		objects = append(objects, object.Intent)
	}
	return objects
}
