// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"bytes"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// parseManifests reads a YAML stream.
func parseManifests(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var list []*unstructured.Unstructured
	for _, document := range strings.Split(text, "---\n") {
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(raw, []byte("null")) {
			continue
		}
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
		list = append(list, &object)
	}
	return list
}

// small is a driver with one workload whose container and volumes a test
// chooses.
const small = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: a, namespace: ns}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: ns, labels: {csi-operator.io/component: controller}}
spec:
  selector: {matchLabels: {csi-operator.io/component: controller, csi-operator.io/deployment: x}}
  template:
    metadata: {labels: {csi-operator.io/component: controller, csi-operator.io/deployment: x}}
    spec:
      serviceAccountName: a
`

// smallPod reads the one workload of small with pod as the rest of its pod.
func smallPod(t *testing.T, pod string) (Facts, error) {
	t.Helper()
	return FromObjects(parseManifests(t, small+indent(pod)))
}

func mustSmallPod(t *testing.T, pod string) Workload {
	t.Helper()
	facts, err := smallPod(t, pod)
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.Beyond) > 0 {
		t.Fatalf("not understood: %v", facts.Beyond)
	}
	return facts.Workloads["controller"]
}

func indent(text string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ") + "\n"
}
