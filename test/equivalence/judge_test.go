// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const judged = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: x, labels: {a: b}}
spec: {attachRequired: true}
`

// TestJudge counts what becomes of the changes of one object: its label may
// change, its spec may lose what is assumed, and everything else is noticed.
func TestJudge(t *testing.T) {
	objects := parseManifests(t, judged)
	want := Facts{CSIDrivers: map[string]map[string]any{"x": {}}}
	class := Class{Name: "labels", Path: regexp.MustCompile(`^metadata\.labels`)}
	score, err := Judge(want, objects, Allowances{}, []Class{class})
	if err != nil {
		t.Fatal(err)
	}
	const text = "19 of 24 mutations noticed; 1 equal; excused: labels 4; missed: 0"
	if diff := cmp.Diff(text, score.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	strict, err := Judge(want, objects, Allowances{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var missed []string
	for _, m := range strict.Missed {
		missed = append(missed, m.String())
	}
	if diff := cmp.Diff([]string{
		"CSIDriver x: metadata.labels: remove",
		"CSIDriver x: metadata.labels.a: remove",
		"CSIDriver x: metadata.labels.a: rename",
		`CSIDriver x: metadata.labels.a: "b" -> "bx"`,
	}, missed); diff != "" {
		t.Errorf("missed: -want, +got:\n%s", diff)
	}
}

func TestScoresAddUp(t *testing.T) {
	missed := []Mutation{{Object: "a"}, {Object: "b"}}
	one := Score{Total: 9, Noticed: 3, Equal: 1, Excused: map[string]int{"x": 4}, Missed: missed[:1]}
	other := Score{Total: 20, Noticed: 10, Equal: 2, Excused: map[string]int{"x": 1, "y": 6}, Missed: missed[1:]}
	const text = "13 of 29 mutations noticed; 3 equal; excused: x 5, y 6; missed: 2"
	if diff := cmp.Diff(text, one.plus(other).String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestJudgeRefuses(t *testing.T) {
	cases := map[string]struct {
		want  Facts
		allow Allowances
		text  string
	}{
		"Difference": {Facts{CSIDrivers: map[string]map[string]any{"y": {}}}, Allowances{}, "csidriver/x"},
		"ExtraRight": {Facts{CSIDrivers: map[string]map[string]any{"x": {}}}, Allowances{ExtraRights: map[string][]string{"node": {"a"}}}, "extra rights"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Judge(tc.want, parseManifests(t, judged), tc.allow, Classes())
			if err == nil || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
		})
	}
}

// TestClasses has paths that a class may and may not excuse.
func TestClasses(t *testing.T) {
	cases := map[string]string{
		"metadata.labels[csi-operator.io/deployment]": "metadata",
		"spec.template.metadata.annotations[a/b]":     "metadata",
		"metadata.name":       "metadata",
		"metadata.namespace":  "",
		"metadata.finalizers": "",
		"spec.template.spec.containers[csi-resizer].name":         "names in pods",
		"spec.template.spec.containers[a].ports[http].name":       "names in pods",
		"spec.template.spec.containers[a].env[A].name":            "",
		"spec.template.spec.volumes[v].name":                      "",
		"spec.template.spec.containers[a].env[POD_NAME]":          "injected variables",
		"spec.template.spec.containers[a].env[POD_NAME].value":    "",
		"spec.template.spec.containers[a].env[AWS_ACCESS_KEY_ID]": "",
	}
	for path, want := range cases {
		t.Run(path, func(t *testing.T) {
			s := Score{Excused: map[string]int{}}
			s.excuse(Mutation{Path: path}, Classes())
			if got := s.Excused[want] > 0; got != (want != "") || (len(s.Missed) == 0) != (want != "") {
				t.Errorf("excused %v, want %q", s.Excused, want)
			}
		})
	}
	for _, class := range Classes() {
		if class.Reason == "" {
			t.Errorf("%s has no reason", class.Name)
		}
	}
}
