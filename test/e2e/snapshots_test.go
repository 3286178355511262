// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// The kinds that the test makes of the snapshot API, whose Go types it does not need.
var (
	kindSnapshot      = schema.GroupVersionKind{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshot"}
	kindContent       = schema.GroupVersionKind{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshotContent"}
	kindGroupSnapshot = schema.GroupVersionKind{Group: "groupsnapshot.storage.k8s.io", Version: "v1", Kind: "VolumeGroupSnapshot"}
)

// snapshotController is what a cluster with snapshots has and the operator does not
// install.
const snapshotController = "testdata/snapshot-controller.yaml"

// withoutSnapshots has the cluster lose the kinds of snapshots at the end of the test, with
// a driver or without; the operator goes on all the while.
func withoutSnapshots(t *testing.T) {
	t.Helper()
	before := operatorPods(t)
	t.Cleanup(func() {
		kubectl(t, "delete", "--ignore-not-found", "--timeout=60s", "-f", snapshotController)
		kubectl(t, "delete", "--ignore-not-found", "--timeout=60s", "-k", snapshotKinds(t))
		if after := operatorPods(t); !slices.Equal(before, after) {
			t.Errorf("the operator was restarted: pods were %v, are %v", before, after)
		}
	})
}

// snapshotsOfCustomDriver has the cluster get the kinds of snapshots while the driver
// runs, and uses them.
func snapshotsOfCustomDriver(t *testing.T, d *v1alpha1.CSIDriverDeployment, source *corev1.PersistentVolumeClaim) {
	t.Helper()
	before := operatorPods(t)
	changed(t, d, func() {
		d.Spec.VolumeSnapshotClasses = []v1alpha1.VolumeSnapshotClass{{Name: d.Name}}
		d.Spec.VolumeGroupSnapshotClasses = []v1alpha1.VolumeGroupSnapshotClass{{Name: d.Name}}
		d.Spec.Sidecars.Snapshotter = &v1alpha1.SidecarSpec{FeatureGates: map[string]bool{"CSIVolumeGroupSnapshot": true}}
	})
	await(t, "the classes wait for their kinds", condition(d, v1alpha1.ConditionClassesInSync, "False", v1alpha1.ReasonKindMissing))
	record(t, "snapshot-kinds-missing", d)

	kubectl(t, "apply", "--server-side", "-k", snapshotKinds(t))
	await(t, "csi-snapshotter comes with the kinds", controllerRuns(d, "csi-provisioner", "csi-attacher", "csi-resizer", "csi-snapshotter"))
	await(t, "the classes are there", ready(d))
	if after := operatorPods(t); !slices.Equal(before, after) {
		t.Errorf("the operator was restarted: pods were %v, are %v", before, after)
	}
	noteRights(t, d)

	snapshotControllerMissing(t, d, source)
	kubectl(t, "apply", "-f", snapshotController)
	restoredFrom(t, d, source)
	snapshotOfGroup(t, d, source)
}

// bySnapshotController: nothing in Kubernetes notices that nobody takes a snapshot. The
// operator gives somebody twenty seconds to begin.
const bySnapshotController = 20 * time.Second

// snapshotControllerMissing makes a snapshot and a content of another driver's controller,
// in a cluster where nobody takes either.
func snapshotControllerMissing(t *testing.T, d *v1alpha1.CSIDriverDeployment, source *corev1.PersistentVolumeClaim) {
	t.Helper()
	s := snapshotObject(kindSnapshot, "untaken", map[string]any{
		"volumeSnapshotClassName": d.Name,
		"source":                  map[string]any{"persistentVolumeClaimName": source.Name},
	})
	if err := shared.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	tellsWithin(t, "snapshot-controller-missing", bySnapshotController, d, func() error {
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionClassesInSync)
		if c == nil || c.Reason != v1alpha1.ReasonWaiting || !strings.Contains(c.Message, s.GetName()+": no snapshot-controller takes it") {
			return fmt.Errorf("condition is %+v", c)
		}
		return nil
	})
	remove(t, s)
	await(t, "nothing waits any more", ready(d))
}

// restoredFrom makes a snapshot of a claim and a volume of the snapshot.
func restoredFrom(t *testing.T, d *v1alpha1.CSIDriverDeployment, source *corev1.PersistentVolumeClaim) {
	t.Helper()
	s := snapshotObject(kindSnapshot, "custom", map[string]any{
		"volumeSnapshotClassName": d.Name,
		"source":                  map[string]any{"persistentVolumeClaimName": source.Name},
	})
	create(t, s)
	await(t, "the snapshot is ready to use", readyToUse(s))
	restored := claimOf(d, "restored", "64Mi")
	restored.Spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: &kindSnapshot.Group, Kind: kindSnapshot.Kind, Name: s.GetName()}
	wantContent(t, restored)
	remove(t, restored)
	remove(t, s)
}

// snapshotOfGroup makes a snapshot of all claims with the label of one.
func snapshotOfGroup(t *testing.T, d *v1alpha1.CSIDriverDeployment, member *corev1.PersistentVolumeClaim) {
	t.Helper()
	g := snapshotObject(kindGroupSnapshot, "custom", map[string]any{
		"volumeGroupSnapshotClassName": d.Name,
		"source":                       map[string]any{"selector": map[string]any{"matchLabels": map[string]any{groupLabel: member.Labels[groupLabel]}}},
	})
	create(t, g)
	await(t, "the group snapshot is ready to use", readyToUse(g))
	remove(t, g)
	// Its members go after it, and need the controllers for that.
	for _, kind := range []schema.GroupVersionKind{kindSnapshot, kindContent} {
		await(t, "no "+kind.Kind+" is left", noneOf(kind))
	}
}

// noneOf is nil when no object of a kind exists.
func noneOf(kind schema.GroupVersionKind) func(context.Context) error {
	return func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		err := shared.List(ctx, list)
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("%d are left, such as %s", len(list.Items), list.Items[0].GetName())
		}
		return err
	}
}

func snapshotObject(kind schema.GroupVersionKind, name string, spec map[string]any) *unstructured.Unstructured {
	s := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	s.SetGroupVersionKind(kind)
	s.SetNamespace(customNamespace)
	s.SetName(name)
	return s
}

// readyToUse is nil when the driver has made a snapshot.
func readyToUse(s *unstructured.Unstructured) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := refetch(ctx, s); err != nil {
			return err
		}
		done, _, err := unstructured.NestedBool(s.Object, "status", "readyToUse")
		if err == nil && !done {
			err = fmt.Errorf("status is %v", s.Object["status"])
		}
		return err
	}
}

// snapshotKinds is the folder of the CustomResourceDefinitions of snapshots.
func snapshotKinds(t *testing.T) string {
	t.Helper()
	dir, err := shared.nodes.print(context.WithoutCancel(t.Context()), "crds", "snapshots")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// kubectl runs it and fails the test if it fails. It serves clean-up too.
func kubectl(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), shared.kubectl, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// operatorPods are the pods of the operator, with what changes when one is started anew.
func operatorPods(t *testing.T) []string {
	t.Helper()
	var pods corev1.PodList
	err := shared.List(context.WithoutCancel(t.Context()), &pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/name": "csi-operator"})
	if err != nil {
		t.Fatalf("listing the operator's pods: %v", err)
	}
	var found []string
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			found = append(found, fmt.Sprintf("%s/%s restarted %d times", p.UID, c.Name, c.RestartCount))
		}
	}
	if len(found) == 0 {
		t.Fatal("the operator has no pod")
	}
	slices.Sort(found)
	return found
}
