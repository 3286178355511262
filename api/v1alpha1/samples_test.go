// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// TestSamples lets the API server judge what users are told to copy.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/*/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("not all samples of drivers: %v: %v", files, err)
	}
	own, err := filepath.Glob("../../config/samples/pool*.yaml")
	if err != nil || len(own) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	files = append(files, own...)
	strict := client.WithFieldValidation(server, "Strict")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			u := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict(text, &u.Object); err != nil {
				t.Fatal(err)
			}
			if err := strict.Create(t.Context(), u, client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}
