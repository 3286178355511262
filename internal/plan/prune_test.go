// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
		"AccountsAfterWorkloads": {kinds: []string{"ServiceAccount", "Deployment", "DaemonSet"}, want: []string{"Delete DaemonSet", "Delete Deployment", "Pending ServiceAccount"}},
		"AccountsWhileOneGoes":   {kinds: []string{"ServiceAccount", "Deployment"}, going: "Deployment", want: []string{"Pending Deployment", "Pending ServiceAccount"}},
		"ControllerAttached":     {kinds: []string{"Deployment", "Role"}, use: attachments, want: []string{"Blocked Deployment", "Pending Role"}},
		"ControllerOfVolumes":    {kinds: []string{"Deployment"}, use: volumes, want: []string{"Delete Deployment"}},
		"NodesAttached":          {kinds: []string{"DaemonSet"}, use: attachments, want: []string{"Blocked DaemonSet"}},
		"NodesOfVolumes":         {kinds: []string{"DaemonSet", "ClusterRole", "StorageClass"}, use: volumes, want: []string{"Delete StorageClass", "Blocked DaemonSet", "Pending ClusterRole"}},
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
				got = append(got, verb(change)+" "+change.Ref.Kind)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestWhyUnwantedWaits: what waits for itself does not wait for the workloads.
func TestWhyUnwantedWaits(t *testing.T) {
	in := Input{Driver: driver, Live: map[Ref]*unstructured.Unstructured{}, Use: inUse(Use{})}
	for _, kind := range []string{"Deployment", "Role", "RoleBinding"} {
		u := live(t)
		u.SetKind(kind)
		if kind == "RoleBinding" {
			terminating(u)
		}
		in.Live[RefOf(u)] = u
	}
	p, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, change := range p {
		got[change.Ref.Kind] = change.Reason
	}
	want := map[string]string{
		"Deployment":  "it is not wanted any more",
		"Role":        "it is not wanted any more, and goes after the workloads",
		"RoleBinding": "it is not wanted any more, and is being deleted",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

const controller = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: c, labels: {csi-operator.io/deployment: pool.example.com}}
`

// TestUseUnknown takes nothing away before it is known what needs it.
func TestUseUnknown(t *testing.T) {
	unknown := errors.New("no answer")
	workload := object(t, controller, map[string]string{"csi-operator": classFields})
	for _, so := range []Use{{}, {Attachments: "at least 1 VolumeAttachment"}} {
		use := func() (Use, error) { return so, unknown }
		if _, err := Make(Input{Driver: driver, Use: use, Live: map[Ref]*unstructured.Unstructured{RefOf(workload): workload}}); !errors.Is(err, unknown) {
			t.Errorf("got %v", err)
		}
	}
}
