// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestMutations lists every change of a small object, with the JSON that comes
// of it.
func TestMutations(t *testing.T) {
	const text = `{"apiVersion":"v1","kind":"K","a":{"b.c":7},"l":[{"name":"x","on":true},"--v=false"]}`
	objects := parseManifests(t, text)
	before := objects[0].DeepCopy()
	got := map[string]string{}
	for _, m := range Mutations(objects) {
		if strings.HasPrefix(m.Path, "apiVersion") || strings.HasPrefix(m.Path, "kind") {
			continue
		}
		var after []string
		for _, object := range m.Objects() {
			delete(object.Object, "apiVersion")
			delete(object.Object, "kind")
			after = append(after, compact(object.Object))
		}
		got[m.Path+": "+m.Change] = strings.Join(after, " ")
		objects[0] = before.DeepCopy()
	}
	const rest = `{"a":{"b.c":7},"l":[{"name":"x","on":true},"--v=false"]}`
	want := map[string]string{
		": remove":                          "",
		": double":                          rest + " " + rest,
		"a: remove":                         `{"l":[{"name":"x","on":true},"--v=false"]}`,
		"a: rename":                         `{"ax":{"b.c":7},"l":[{"name":"x","on":true},"--v=false"]}`,
		"a[b.c]: remove":                    `{"a":{},"l":[{"name":"x","on":true},"--v=false"]}`,
		"a[b.c]: rename":                    `{"a":{"b.cx":7},"l":[{"name":"x","on":true},"--v=false"]}`,
		"a[b.c]: 7 -> 8":                    `{"a":{"b.c":8},"l":[{"name":"x","on":true},"--v=false"]}`,
		"l: remove":                         `{"a":{"b.c":7}}`,
		"l: rename":                         `{"a":{"b.c":7},"lx":[{"name":"x","on":true},"--v=false"]}`,
		"l[x]: remove":                      `{"a":{"b.c":7},"l":["--v=false"]}`,
		"l[x]: double":                      `{"a":{"b.c":7},"l":[{"name":"x","on":true},{"name":"x","on":true},"--v=false"]}`,
		"l[x].name: remove":                 `{"a":{"b.c":7},"l":[{"on":true},"--v=false"]}`,
		"l[x].name: rename":                 `{"a":{"b.c":7},"l":[{"namex":"x","on":true},"--v=false"]}`,
		`l[x].name: "x" -> "xx"`:            `{"a":{"b.c":7},"l":[{"name":"xx","on":true},"--v=false"]}`,
		"l[x].on: remove":                   `{"a":{"b.c":7},"l":[{"name":"x"},"--v=false"]}`,
		"l[x].on: rename":                   `{"a":{"b.c":7},"l":[{"name":"x","onx":true},"--v=false"]}`,
		"l[x].on: true -> false":            `{"a":{"b.c":7},"l":[{"name":"x","on":false},"--v=false"]}`,
		"l[1]: remove":                      `{"a":{"b.c":7},"l":[{"name":"x","on":true}]}`,
		"l[1]: double":                      `{"a":{"b.c":7},"l":[{"name":"x","on":true},"--v=false","--v=false"]}`,
		`l[1]: "--v=false" -> "--v=falsex"`: `{"a":{"b.c":7},"l":[{"name":"x","on":true},"--v=falsex"]}`,
		`l[1]: "--v=false" -> "--v=true"`:   `{"a":{"b.c":7},"l":[{"name":"x","on":true},"--v=true"]}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestChangesOf(t *testing.T) {
	cases := map[string]struct {
		value any
		want  []any
	}{
		"Number":      {int64(1), []any{int64(2)}},
		"Fraction":    {1.5, []any{2.5}},
		"Text":        {"a", []any{"ax"}},
		"LastNumber":  {"v1.9-rc", []any{"v1.9-rcx", "v1.10-rc"}},
		"HugeNumber":  {"99999999999999999999", []any{"99999999999999999999x"}},
		"True":        {"A=true", []any{"A=truex", "A=false"}},
		"EmptyObject": {map[string]any{}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, changesOf(tc.value)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestMutationsChangeNothing demands that no mutation is left behind.
func TestMutationsChangeNothing(t *testing.T) {
	objects := render(t, "nfs")
	var before []*unstructured.Unstructured
	for _, object := range objects {
		before = append(before, object.DeepCopy())
	}
	for _, m := range Mutations(objects) {
		m.Objects()
	}
	if diff := cmp.Diff(before, objects); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
}
