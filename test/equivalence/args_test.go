// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var equateEmpty = cmpopts.EquateEmpty()

func TestCountArgs(t *testing.T) {
	cases := map[string]struct {
		args []string
		want map[string]int
	}{
		"OneDash":         {[]string{"-v=5", "-node"}, map[string]int{"--v=5": 1, "--node": 1}},
		"True":            {[]string{"--leader-election=true", "--pprof=false"}, map[string]int{"--leader-election": 1, "--pprof=false": 1}},
		"Word":            {[]string{"controller", "controller"}, map[string]int{"controller": 2}},
		"Socket":          {[]string{"--endpoint=unix:///csi/csi.sock", "--csi-address=unix:/csi/a.sock"}, map[string]int{"--endpoint=/csi/csi.sock": 1, "--csi-address=/csi/a.sock": 1}},
		"NoSocket":        {[]string{"--source=//server/share"}, map[string]int{"--source=//server/share": 1}},
		"WindowsSocket":   {[]string{`--endpoint=unix://C:\\csi\\csi.sock`}, map[string]int{`--endpoint=C:\csi\csi.sock`: 1}},
		"Gates":           {[]string{"--feature-gates=B=true,A=false", "--feature-gates=C=true"}, map[string]int{"--feature-gates=A=false,B,C": 1}},
		"GateTwice":       {[]string{"--feature-gates=B=true", "--feature-gates=B=true"}, map[string]int{"--feature-gates=B,B": 1}},
		"Nothing":         {nil, nil},
		"ValueWithEquals": {[]string{"--labels=a=true"}, map[string]int{"--labels=a=true": 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, countArgs(tc.args), equateEmpty); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestSameDurations(t *testing.T) {
	got := sameDurations(map[string]int{"--timeout=60s": 1, "--timeout=1m0s": 2, "--retry=500ms": 1, "--v=5": 1, "node": 1})
	want := map[string]int{"--timeout=1m0s": 3, "--retry=500ms": 1, "--v=5": 1, "node": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestEnvironment(t *testing.T) {
	cases := map[string]struct {
		container string
		args      map[string]int
		env       map[string]string
	}{
		"Reference": {
			`args: [--a=$(A), --b=$(B)-$(A)], env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: C, value: "3"}]`,
			map[string]int{"--a=1": 1, "--b=2-1": 1}, map[string]string{"C": "3"},
		},
		"ReferenceInValue": {
			`args: [--b=$(B)], env: [{name: A, value: "1"}, {name: B, value: a$(A)}]`,
			map[string]int{"--b=a1": 1}, nil,
		},
		"ReferenceToLater": {
			`args: [--a=$(A)], env: [{name: A, value: $(B)}, {name: B, value: "2"}]`,
			map[string]int{"--a=$(B)": 1}, map[string]string{"B": "2"},
		},
		"Unknown":  {`args: [--a=$(A)]`, map[string]int{"--a=$(A)": 1}, nil},
		"NoDollar": {`args: [--a=$$(A)], env: [{name: A, value: "1"}]`, map[string]int{"--a=$(A)": 1}, map[string]string{"A": "1"}},
		"Field": {
			`args: [--node=$(NODE)], env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]`,
			map[string]int{"--node=<fieldRef:spec.nodeName>": 1}, nil,
		},
		"Keys": {
			`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}, {name: B, valueFrom: {configMapKeyRef: {name: c, key: k}}}]`,
			nil, map[string]string{"A": "<secretKeyRef:s/k optional>", "B": "<configMapKeyRef:c/k>"},
		},
		"Injected": {
			`args: [--endpoint=/csi/csi.sock], env: [{name: CSI_ENDPOINT, value: "unix:///csi/csi.sock"},
			  {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}},
			  {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}},
			  {name: KUBE_NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]`,
			map[string]int{"--endpoint=/csi/csi.sock": 1}, nil,
		},
		"InjectedWithAnotherValue": {
			`args: [--endpoint=/csi/csi.sock], env: [{name: CSI_ENDPOINT, value: "unix:///csi/b.sock"}, {name: POD_NAME, value: x}]`,
			map[string]int{"--endpoint=/csi/csi.sock": 1}, map[string]string{"CSI_ENDPOINT": "unix:///csi/b.sock", "POD_NAME": "x"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := mustSmallPod(t, "containers: [{name: driver, image: a/b:v1, "+tc.container+"}]")
			got := w.Containers["driver"]
			if diff := cmp.Diff(tc.args, got.Args, equateEmpty); diff != "" {
				t.Errorf("args: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(tc.env, got.Env, equateEmpty); diff != "" {
				t.Errorf("env: -want, +got:\n%s", diff)
			}
		})
	}
}
