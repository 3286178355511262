// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

func snapshotOf(kind schema.GroupVersionKind, spec map[string]any, edits ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(kind)
	u.SetName("x")
	u.SetUID("1")
	for _, edit := range edits {
		edit(u)
	}
	return u
}

// TestSnapshotIsTaken: whoever works on a snapshot leaves a trace on it.
func TestSnapshotIsTaken(t *testing.T) {
	content := func(edits ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
		return snapshotOf(contentKind, map[string]any{"driver": "d", "source": map[string]any{"volumeHandle": "waste"}}, edits...)
	}
	now := metav1.Now()
	cases := map[string]struct {
		u    *unstructured.Unstructured
		want bool
	}{
		"Untouched":    {content(), false},
		"EmptyStatus":  {content(func(u *unstructured.Unstructured) { u.Object["status"] = map[string]any{} }), false},
		"Failed":       {content(func(u *unstructured.Unstructured) { u.Object["status"] = map[string]any{"error": map[string]any{}} }), true},
		"BeingCreated": {content(func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{annotationBeingCreated: "yes"}) }), true},
		"Others":       {content(func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"other": "yes"}) }), false},
		"Going":        {content(func(u *unstructured.Unstructured) { u.SetDeletionTimestamp(&now) }), true},
		"Snapshot":     {snapshotOf(snapshotKind, map[string]any{"volumeSnapshotClassName": "c"}), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := stripDefault(tc.u)
			if err != nil {
				t.Fatal(err)
			}
			kept, ok := out.(*unstructured.Unstructured)
			if !ok || kept.Object[taken] != tc.want || kept.GetName() != "x" || kept.GetUID() != "1" {
				t.Errorf("kept %v, want taken %t", out, tc.want)
			}
			if twice := stripSnapshot(kept); !cmp.Equal(kept, twice) {
				t.Errorf("kept %v, and the second time %v", kept, twice)
			}
			if kept.Object["spec"] != nil || kept.Object["status"] != nil {
				t.Errorf("kept more than is looked at: %v", kept.Object)
			}
		})
	}
}

// TestUntaken: those that wait behind others that are worked on are in a queue.
func TestUntaken(t *testing.T) {
	content := func(driver string, edits ...func(*unstructured.Unstructured)) unstructured.Unstructured {
		return *stripSnapshot(snapshotOf(contentKind, map[string]any{"driver": driver}, edits...))
	}
	snapshot := func(spec map[string]any) unstructured.Unstructured {
		return *stripSnapshot(snapshotOf(snapshotKind, spec))
	}
	working := func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{annotationBeingCreated: "yes"}) }
	finished := func(u *unstructured.Unstructured) { u.Object["status"] = map[string]any{"readyToUse": true} }
	d := &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Name: "d"}}
	d.Spec.VolumeSnapshotClasses = []v1alpha1.VolumeSnapshotClass{{Name: "c"}, {Name: "e", Default: true}}
	cases := map[string]struct {
		all  []unstructured.Unstructured
		want int
	}{
		"None":           {},
		"Untaken":        {[]unstructured.Unstructured{content("d"), content("d"), content("other")}, 2},
		"Queue":          {[]unstructured.Unstructured{content("d"), content("d", working)}, 0},
		"QueueOfAnother": {[]unstructured.Unstructured{content("d"), content("other", working)}, 1},
		"AfterOthers":    {[]unstructured.Unstructured{content("d", finished), content("d")}, 1},
		"OfTheClass":     {[]unstructured.Unstructured{snapshot(map[string]any{"volumeSnapshotClassName": "c"})}, 1},
		"OfOtherClass":   {[]unstructured.Unstructured{snapshot(map[string]any{"volumeSnapshotClassName": "x"})}, 0},
		"OfDefaultClass": {[]unstructured.Unstructured{snapshot(map[string]any{})}, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := untakenOf(tc.all, d); len(got) != tc.want {
				t.Errorf("untaken are %v, want %d", got, tc.want)
			}
		})
	}
	d.Spec.VolumeSnapshotClasses[1].Default = false
	if got := untakenOf(cases["OfDefaultClass"].all, d); len(got) > 0 {
		t.Errorf("without a default class: %v", got)
	}
}

func TestWhyUntaken(t *testing.T) {
	content := snapshotOf(contentKind, nil)
	labelled := snapshotOf(contentKind, nil, func(u *unstructured.Unstructured) { u.SetLabels(map[string]string{labelManagedBy: "node-b"}) })
	row := func(component string) []desired.Row {
		return []desired.Row{{Component: component, Name: sidecar.SnapshotterContainer}}
	}
	for _, tc := range []struct {
		content *unstructured.Unstructured
		rows    []desired.Row
		want    string
	}{
		{content, nil, "the driver runs none"},
		{content, row(v1alpha1.ComponentController), "see its row in status.sidecars"},
		{content, row("node"), "those of the nodes wait for label snapshot.storage.kubernetes.io/managed-by, which a snapshot-controller sets that runs with --enable-distributed-snapshotting"},
		{labelled, row("node"), "see the pod on node node-b"},
	} {
		if got := whyUntaken(tc.content, tc.rows); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestExamples(t *testing.T) {
	for want, names := range map[string][]string{"a": {"a"}, "a, b, c": {"c", "a", "b"}, "a, b, c and others": {"d", "c", "b", "a"}} {
		if got := examples(names); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestClaimsWaiting: only the newest events about a class that is not there count.
func TestClaimsWaiting(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	about := func(claim, class string, ago time.Duration) corev1.Event {
		return corev1.Event{
			InvolvedObject: corev1.ObjectReference{Namespace: "ns", Name: claim}, LastTimestamp: metav1.NewTime(now.Add(-ago)),
			Message: `storageclass.storage.k8s.io "` + class + `" not found`,
		}
	}
	events := []corev1.Event{
		about("a", "fast", time.Minute), about("b", "slow", time.Minute), about("c", "fast", stillTold), about("a", "fast", 0), about("d", "fast", stillTold-time.Second),
		{InvolvedObject: corev1.ObjectReference{Namespace: "ns", Name: "e"}, LastTimestamp: metav1.NewTime(now), Message: "out of space"},
	}
	if diff := cmp.Diff([]string{"ns/a", "ns/d"}, claimsWaiting(events, "fast", now)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestMissingClasses(t *testing.T) {
	change := func(kind, name string, action plan.Action) plan.Change {
		return plan.Change{Ref: plan.Ref{Kind: kind, Name: name}, Action: action}
	}
	p := plan.Plan{
		change("StorageClass", "a", plan.Create), change("StorageClass", "b", plan.Create), change("StorageClass", "c", plan.Apply), change("Role", "d", plan.Create),
	}
	done := apply.Report{Applied: []apply.Applied{{Ref: plan.Ref{Kind: "StorageClass", Name: "b"}}}}
	if diff := cmp.Diff([]string{"a"}, missingClasses(p, done)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestClassIsMissing: a class that nobody puts back is told, with the claims that wait for it.
func TestClassIsMissing(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.ManagementState = v1alpha1.Unmanaged })
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: d.Name}}
	if err := cluster.Delete(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	claim := client.ObjectKey{Namespace: d.Spec.Namespace, Name: "waits"}
	create(t, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: "waits.1"}, Type: corev1.EventTypeWarning, Reason: "ProvisioningFailed",
		InvolvedObject: corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name},
		LastTimestamp:  metav1.Now(), Message: `storageclass.storage.k8s.io "` + class.Name + `" not found`,
	})
	got := awaitCondition(t, d, v1alpha1.ConditionClassesInSync, metav1.ConditionFalse, v1alpha1.ReasonClassMissing)
	want := "StorageClass " + class.Name + " is not there, and claims wait for it: " + claim.Namespace + "/waits"
	if !strings.Contains(got, want) {
		t.Errorf("message is %q, want %q", got, want)
	}
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.ManagementState = v1alpha1.Managed })
	awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// snapshotsWait makes a snapshot and a content that nobody takes: no controller of them runs
// here.
func snapshotsWait(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	snapshot := snapshotOf(snapshotKind, map[string]any{"volumeSnapshotClassName": d.Name, "source": map[string]any{"persistentVolumeClaimName": "data"}}, func(u *unstructured.Unstructured) {
		u.SetNamespace(d.Spec.Namespace)
		u.SetUID("")
	})
	content := snapshotOf(contentKind, map[string]any{
		"driver": d.Name, "deletionPolicy": "Delete", "source": map[string]any{"volumeHandle": "v"},
		"volumeSnapshotRef": map[string]any{"namespace": d.Spec.Namespace, "name": "x"},
	}, func(u *unstructured.Unstructured) { u.SetUID("") })
	create(t, snapshot)
	create(t, content)
	await(t, "the operator waits for both", func() error {
		w := cluster.operator.reconciler.snapshots
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.since[d.Name]); n != 2 {
			return fmt.Errorf("it waits for %d", n)
		}
		w.now = func() time.Time { return time.Now().Add(untilTaken) }
		return nil
	})
	wake(t, cluster.operator, d)
	got := awaitCondition(t, d, v1alpha1.ConditionClassesInSync, metav1.ConditionFalse, v1alpha1.ReasonWaiting)
	want := "VolumeSnapshot " + d.Spec.Namespace + "/x: no snapshot-controller takes it; the cluster needs one, whatever its drivers" +
		"; VolumeSnapshotContent x: no csi-snapshotter takes it; see its row in status.sidecars"
	if got != want {
		t.Errorf("message is %q, want %q", got, want)
	}
	remove(t, snapshot)
	merge(t, content, map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationBeingCreated: "yes"}}})
	awaitCondition(t, d, v1alpha1.ConditionClassesInSync, metav1.ConditionTrue, v1alpha1.ReasonServed)
	remove(t, content)
}
