// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// inUse is nothing that the driver serves, or something.
func inUse(u Use) func() (Use, error) { return func() (Use, error) { return u, nil } }

// TestUnwanted takes what left the spec away in order, and what serves volumes when
// there are none.
func TestUnwanted(t *testing.T) {
	volumes, attachments := Use{Volumes: "1 PersistentVolume"}, Use{Attachments: "2 VolumeAttachments"}
	cases := map[string]struct {
		kinds []string
		use   Use
		going string // kind that is being deleted already
		want  []string
	}{
		"InOrder":                {kinds: []string{"ClusterRole", "CSIDriver", "StorageClass"}, want: []string{"Delete StorageClass", "Delete CSIDriver", "Delete ClusterRole"}},
		"AccountsAfterWorkloads": {kinds: []string{"ServiceAccount", "Deployment", "DaemonSet"}, want: []string{"Delete DaemonSet", "Delete Deployment"}},
		"AccountsWhileOneGoes":   {kinds: []string{"ServiceAccount", "Deployment"}, going: "Deployment"},
		"ControllerAttached":     {kinds: []string{"Deployment", "Role"}, use: attachments, want: []string{"Blocked Deployment"}},
		"ControllerOfVolumes":    {kinds: []string{"Deployment"}, use: volumes, want: []string{"Delete Deployment"}},
		"NodesAttached":          {kinds: []string{"DaemonSet"}, use: attachments, want: []string{"Blocked DaemonSet"}},
		"NodesOfVolumes":         {kinds: []string{"DaemonSet", "ClusterRole", "StorageClass"}, use: volumes, want: []string{"Delete StorageClass", "Blocked DaemonSet"}},
		"RightsOfNoWorkload":     {kinds: []string{"RoleBinding"}, use: volumes, want: []string{"Delete RoleBinding"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := Input{Driver: driver, Live: map[Ref]*unstructured.Unstructured{}, Use: inUse(tc.use)}
			for _, kind := range tc.kinds {
				u := live(t)
				u.SetKind(kind)
				if kind == tc.going {
					terminating(u)
				}
				in.Live[RefOf(u)] = u
			}
			p, err := Make(in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, change := range p {
				got = append(got, string(change.Action)+" "+change.Ref.Kind)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

const controller = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: c, labels: {csi-operator.io/deployment: pool.example.com}}
spec: {template: {spec: {containers: [{name: driver}]}}}
`

// TestAttacherStays as long as something is attached.
func TestAttacherStays(t *testing.T) {
	with := func(u *unstructured.Unstructured) *unstructured.Unstructured {
		containers := []any{map[string]any{"name": "driver"}, map[string]any{"name": sidecar.Attacher}}
		if err := unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers"); err != nil {
			t.Fatal(err)
		}
		return u
	}
	without := func() *unstructured.Unstructured { return object(t, controller, nil) }
	attached := Use{Attachments: "2 VolumeAttachments"}
	cases := map[string]struct {
		live, intent *unstructured.Unstructured
		use          Use
		want         Action
		reason       string
	}{
		"Attached": {with(without()), without(), attached, Blocked, "container csi-attacher is not wanted any more, and stays for 2 VolumeAttachments"},
		"Detached": {with(without()), without(), Use{Volumes: "1 PersistentVolume"}, Apply, "the wanted state has changed"},
		"Stays":    {with(without()), with(without()), attached, Apply, "the wanted state has changed"},
		"Comes":    {without(), with(without()), attached, Apply, "the wanted state has changed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Make(Input{
				Driver: driver, Use: inUse(tc.use), Wanted: []desired.Object{{Intent: tc.intent}},
				Live: map[Ref]*unstructured.Unstructured{RefOf(tc.live): tc.live},
			})
			if err != nil || len(p) != 1 || p[0].Action != tc.want || p[0].Reason != tc.reason {
				t.Errorf("planned %+v, %v", p, err)
			}
		})
	}
}

// TestUseUnknown takes nothing away before it is known what needs it.
func TestUseUnknown(t *testing.T) {
	unknown := errors.New("no answer")
	use := func() (Use, error) { return Use{}, unknown }
	workload := object(t, controller, map[string]string{"csi-operator": classFields})
	if _, err := Make(Input{Driver: driver, Use: use, Live: map[Ref]*unstructured.Unstructured{RefOf(workload): workload}}); !errors.Is(err, unknown) {
		t.Errorf("got %v", err)
	}
}
