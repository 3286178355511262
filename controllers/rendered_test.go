// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// TestRenderedIsTaken has the API server judge all that is rendered for the golden files
// and for the samples of public drivers, without keeping it.
func TestRenderedIsTaken(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"../internal/desired/testdata/*.in.yaml", "../config/samples/drivers/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 10 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if filepath.Base(file) == "kustomization.yaml" {
				continue
			}
			t.Run(filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				for _, o := range renderedFrom(t, file) {
					intent := client.ApplyConfigurationFromUnstructured(o.Intent)
					if err := cluster.Apply(t.Context(), intent, client.DryRunAll, client.ForceOwnership, client.FieldOwner("test")); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// renderedFrom renders an object of a file, whose driver can do everything unless it says
// otherwise, and makes its namespace.
func renderedFrom(t *testing.T, file string) []desired.Object {
	t.Helper()
	d := deploymentIn(t, file)
	d.Spec.Namespace = "rendered-" + strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".yaml"), ".", "-")
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.Spec.Namespace}}
	if err := cluster.Create(t.Context(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	there := facts
	there.Served.AttributesClasses = true // the others the API server of these tests does not have
	there.Answer = &desired.Answer{Last: sidecar.KnownCapabilities()}
	set, err := desired.Render(d, there)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Objects) == 0 {
		t.Fatal("nothing is rendered")
	}
	return set.Objects
}
