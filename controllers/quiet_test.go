// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestQuiet runs alone, since it counts every request of the operator, and restarts
// it. TestForeignEdits has all that people do to objects, and what comes of it.
func TestQuiet(t *testing.T) {
	d := driver(t)
	createNamespace(t, d.Spec.Namespace)
	serverSideApply(t, d)
	d = healthy(t, d)
	awaitCalm(t, cluster.operator, d)
	before := versions(t, d)
	silent := func(what string, act func()) {
		t.Helper()
		sent, told := len(cluster.operator.traffic.all()), len(cluster.operator.traffic.eventsOf(d))
		act()
		for range 100 {
			reconcileOnce(t, cluster.operator, d)
		}
		awaitCalm(t, cluster.operator, d)
		if now := cluster.operator.traffic.all()[sent:]; len(now) > 0 {
			t.Errorf("%s: %d requests: %q", what, len(now), now)
		}
		if now := cluster.operator.traffic.eventsOf(d)[told:]; len(now) > 0 {
			t.Errorf("%s: %d events: %q", what, len(now), now)
		}
	}

	silent("nothing happens", func() {})
	silent("the same is applied again", func() { serverSideApply(t, driver(t)) })
	if diff := cmp.Diff(before, versions(t, d)); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
	silent("100 patches of status that change no verdict", func() {
		for i := range 100 {
			beat(t, d, i)
		}
	})
	silent("20 patches of an annotation", func() {
		for i := range 20 {
			o := deployment(t, d)
			merge(t, o, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"example.com/beat": strconv.Itoa(i)}}})
		}
		awaitShown(t, objectOf(t, d, controllerOf))
	})

	healEach(t, d)
	silent("everything was healed", func() {})

	restart(t)
	before = versions(t, d)
	silent("the operator was started anew", func() {})
	for _, s := range cluster.operator.traffic.all() {
		if !strings.HasPrefix(s, "GET ") || len(requests(cluster.operator, d)) > 0 {
			t.Errorf("a restart sent %s", s)
		}
	}
	if diff := cmp.Diff(before, versions(t, d)); diff != "" {
		t.Errorf("a restart wrote: -before, +after:\n%s", diff)
	}
}

// beat changes of a Deployment's status what a controller changes all the time.
func beat(t *testing.T, d *v1alpha1.CSIDriverDeployment, i int) {
	t.Helper()
	o := deployment(t, d)
	o.Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", Message: strconv.Itoa(i),
	}}
	updateStatus(t, o)
	if i == 99 {
		awaitShown(t, objectOf(t, d, controllerOf))
	}
}

// awaitShown waits until the operator's cache shows an object as it is, or newer.
func awaitShown(t *testing.T, want *unstructured.Unstructured) {
	t.Helper()
	await(t, fmt.Sprintf("the operator's cache shows %s %s", want.GetKind(), want.GetName()), func() error {
		cached := &unstructured.Unstructured{}
		cached.SetGroupVersionKind(want.GroupVersionKind())
		if err := cluster.operator.reconciler.cache.Get(t.Context(), client.ObjectKeyFromObject(want), cached); err != nil {
			return err
		}
		if !shows(cached, want) {
			return fmt.Errorf("version %s, want %s", cached.GetResourceVersion(), want.GetResourceVersion())
		}
		return nil
	})
}

// restart replaces the operator of all tests by a new one.
func restart(t *testing.T) {
	t.Helper()
	if err := cluster.operator.stop(); err != nil {
		t.Fatal(err)
	}
	restarted, err := startOperator()
	if err != nil {
		t.Fatal(err)
	}
	cluster.operator = restarted
	await(t, "the operator has looked at the cluster", func() error {
		restarted.reconciler.acquainted.mu.Lock()
		defer restarted.reconciler.acquainted.mu.Unlock()
		if !restarted.reconciler.acquainted.done {
			return errors.New("not yet")
		}
		return nil
	})
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

// editsOfAKind is how many owned fields of each kind are edited.
const editsOfAKind = 5

// healEach lets others edit owned fields of a driver's objects, one after the other; each
// is healed by exactly one write.
func healEach(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	edits := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(drifts())) {
		tc := drifts()[name]
		if tc.writes != 1 || tc.kept || edits[tc.kind] == editsOfAKind {
			continue
		}
		edits[tc.kind]++
		sent := len(requests(cluster.operator, d))
		before, _ := edit(t, d, tc)
		await(t, name+" is healed", func() error { return healed(t, before, tc) })
		awaitCalm(t, cluster.operator, d)
		if writes := childWrites(requests(cluster.operator, d)[sent:], d); len(writes) != 1 {
			t.Errorf("%s: %d writes, want one: %q", name, len(writes), writes)
		}
	}
	all := 0
	for _, o := range owned(t, d.Name) {
		if edits[o.GetKind()] == 0 {
			t.Errorf("no %s was edited", o.GetKind())
		}
	}
	for _, n := range edits {
		all += n
	}
	t.Logf("%d owned fields of %d kinds were edited", all, len(edits))
	if all < 20 {
		t.Errorf("%d owned fields are too few", all)
	}
}
