// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestQuiet runs alone, since it restarts the operator of all tests.
func TestQuiet(t *testing.T) {
	d := driver(t)
	createNamespace(t, d.Spec.Namespace)
	serverSideApply(t, d)
	d = healthy(t, d)
	awaitCalm(t, cluster.operator, d)
	before := versions(t, d)

	serverSideApply(t, driver(t))
	wake(t, cluster.operator, d)
	if diff := cmp.Diff(before, versions(t, d)); diff != "" {
		t.Errorf("a second reconcile wrote: -before, +after:\n%s", diff)
	}

	if err := cluster.operator.stop(); err != nil {
		t.Fatal(err)
	}
	restarted, err := startOperator()
	if err != nil {
		t.Fatal(err)
	}
	cluster.operator = restarted
	wake(t, restarted, d)
	if diff := cmp.Diff(before, versions(t, d)); diff != "" {
		t.Errorf("a restart wrote: -before, +after:\n%s", diff)
	}
}

// serverSideApply does what kubectl apply --server-side does.
func serverSideApply(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	d.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
	if err != nil {
		t.Fatal(err)
	}
	delete(u, "status")
	intent := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: u})
	if err := cluster.Apply(t.Context(), intent, client.FieldOwner("kubectl")); err != nil {
		t.Fatal(err)
	}
}
