// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestRights: pods run by what is neither a workload nor what volumes are made by.
func TestRights(t *testing.T) {
	others := []string{
		"CSIDriver", "ConfigMap", "DaemonSet", "Deployment", "StatefulSet", "PodDisruptionBudget",
		"StorageClass", "VolumeAttributesClass", "VolumeSnapshotClass", "VolumeGroupSnapshotClass",
	}
	for _, kind := range desired.Kinds() {
		if got, want := IsRight(Ref{Kind: kind.Kind}), !slices.Contains(others, kind.Kind); got != want {
			t.Errorf("%s is a right: %t, want %t", kind.Kind, got, want)
		}
	}
}

// running is a workload, or what belongs to one, of a component with the given containers.
func running(kind, component string, containers ...string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "apiVersion": "v1"}}
	u.SetName("x")
	u.SetLabels(map[string]string{v1alpha1.LabelDeployment: driver, v1alpha1.LabelComponent: component})
	var list []any
	for _, c := range containers {
		list = append(list, map[string]any{"name": c})
	}
	if list != nil {
		_ = unstructured.SetNestedSlice(u.Object, list, "spec", "template", "spec", "containers")
	}
	return u
}

// TestTheAttacherStaysForAttachments, with its rights; everything else goes on.
func TestTheAttacherStaysForAttachments(t *testing.T) {
	with, without := []string{"driver", "csi-attacher"}, []string{"driver", "csi-resizer"}
	cases := map[string]struct {
		before, after []string
		use           Use
		want          []string
	}{
		"Attached":        {with, without, Use{Attachments: "2 VolumeAttachments"}, []string{"Blocked ClusterRole", "Blocked Deployment", "Create StorageClass"}},
		"NothingAttached": {with, without, Use{Volumes: "2 PersistentVolumes"}, []string{"Apply ClusterRole", "Apply Deployment", "Create StorageClass"}},
		"ItComes":         {without, with, Use{Attachments: "2 VolumeAttachments"}, []string{"Apply ClusterRole", "Apply Deployment", "Create StorageClass"}},
		"ItStays":         {with, with, Use{Attachments: "2 VolumeAttachments"}, []string{"Apply ClusterRole", "Apply Deployment", "Create StorageClass"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			live := map[Ref]*unstructured.Unstructured{}
			for _, u := range []*unstructured.Unstructured{running("Deployment", "controller", tc.before...), running("ClusterRole", "controller")} {
				live[RefOf(u)] = u
			}
			in := Input{
				Driver: driver, Live: live, Records: map[Ref]Record{}, Use: inUse(tc.use),
				Wanted: []desired.Object{
					{Intent: running("ClusterRole", "controller")}, {Intent: running("Deployment", "controller", tc.after...)}, {Intent: running("StorageClass", "")},
				},
			}
			p, err := Make(in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range p {
				got = append(got, string(c.Action)+" "+c.Ref.Kind)
				if (c.Action == Blocked) != (c.Intent == nil) {
					t.Errorf("%s of %s has the intent %v", c.Action, c.Ref, c.Intent)
				}
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
