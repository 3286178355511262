// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/golden"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

func TestComponents(t *testing.T) {
	var text strings.Builder
	for _, c := range Components(plan.Paths{State: "/state"}) {
		text.WriteString(c.Name + "\n  " + strings.Join(c.Arguments, "\n  ") + "\n")
	}
	golden.Check(t, "components.txt", []byte(text.String()))
}

func TestReadyNodes(t *testing.T) {
	cases := map[string]struct {
		body string
		want map[string]bool
		bad  bool
	}{
		"None": {body: `{"items":[]}`, want: map[string]bool{}},
		"Mixed": {
			body: `{"items":[
				{"metadata":{"name":"a"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
				{"metadata":{"name":"b"},"status":{"conditions":[
					{"type":"MemoryPressure","status":"True"},{"type":"Ready","status":"Unknown"}]}},
				{"metadata":{"name":"c"}}]}`,
			want: map[string]bool{"a": true, "b": false, "c": false},
		},
		"NoJSON": {body: "<html>", bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := readyNodes([]byte(tc.body))
			if (err != nil) != tc.bad {
				t.Fatalf("error %v, wanted one: %t", err, tc.bad)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestEndedNamesWhatDoesNotRun(t *testing.T) {
	err := Ended(plan.Paths{State: t.TempDir()})
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if err == nil || !strings.Contains(err.Error(), name+" does not run") {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
}
