// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// The controller goes where the pool is mounted unless it is told otherwise.
func TestControllerFollowsTheNodes(t *testing.T) {
	raw := func(s string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(s)} }
	const mounted = `{"nodeSelector":{"mounted":"yes"}}`
	cases := map[string]struct {
		controller, node *runtime.RawExtension
		want             map[string]string
	}{
		"NothingGiven":  {nil, nil, map[string]string{"kubernetes.io/os": "linux"}},
		"Follows":       {nil, raw(mounted), map[string]string{"kubernetes.io/os": "linux", "mounted": "yes"}},
		"FollowsBeside": {raw(`{"priorityClassName":"p"}`), raw(mounted), map[string]string{"kubernetes.io/os": "linux", "mounted": "yes"}},
		"Own":           {raw(`{"nodeSelector":{"zone":"a"}}`), raw(mounted), map[string]string{"kubernetes.io/os": "linux", "zone": "a"}},
		"Anywhere":      {raw(`{"nodeSelector":{}}`), raw(mounted), map[string]string{"kubernetes.io/os": "linux"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := &v1alpha1.CSIDriverDeployment{}
			d.Name = "pool.example.com"
			d.Spec.Bundled = &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pool/a"}
			d.Spec.Controller.Pod = tc.controller
			d.Spec.Nodes = []v1alpha1.NodePool{{Name: v1alpha1.DefaultNodePool, Part: v1alpha1.Part{Pod: tc.node}}}
			set, err := Render(d, Facts{OperatorNamespace: "ns", PoolDriverImage: "image:v1", DriverVersion: "v1"})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range set.Objects {
				if o.Intent.GetKind() != "Deployment" {
					continue
				}
				got, _, err := unstructured.NestedStringMap(o.Intent.Object, "spec", "template", "spec", "nodeSelector")
				if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
					t.Errorf("%v: -want, +got:\n%s", err, diff)
				}
				return
			}
			t.Error("no Deployment was rendered")
		})
	}
}
