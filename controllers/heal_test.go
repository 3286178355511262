// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestDeletedObjectsComeBack(t *testing.T) {
	t.Parallel()
	d := installed(t)
	for _, o := range owned(t, d.Name) {
		t.Run(o.GetKind()+"-"+o.GetName(), func(t *testing.T) {
			if err := cluster.Delete(t.Context(), &o, client.PropagationPolicy("Background")); err != nil {
				t.Fatal(err)
			}
			await(t, "the object is back", func() error {
				now, err := reread(t, o)
				if err != nil {
					return err
				}
				if now.GetUID() == o.GetUID() {
					return fmt.Errorf("uid %s is the old one", o.GetUID())
				}
				return nil
			})
		})
	}
}

func TestEditedFieldsAreHealed(t *testing.T) {
	t.Parallel()
	d := installed(t)
	edits := map[string]struct {
		path  []string
		value any
	}{
		"ServiceAccount":      {[]string{"automountServiceAccountToken"}, nil},
		"ClusterRole":         {[]string{"rules"}, []any{}},
		"ClusterRoleBinding":  {[]string{"subjects"}, []any{}},
		"Role":                {[]string{"rules"}, []any{}},
		"RoleBinding":         {[]string{"subjects"}, []any{}},
		"CSIDriver":           {[]string{"spec", "podInfoOnMount"}, true},
		"Deployment":          {[]string{"spec", "replicas"}, int64(5)},
		"DaemonSet":           {[]string{"spec", "template", "spec", "priorityClassName"}, "system-cluster-critical"},
		"PodDisruptionBudget": {[]string{"spec", "maxUnavailable"}, int64(5)},
		"StorageClass":        {[]string{"allowVolumeExpansion"}, false},
	}
	for _, o := range owned(t, d.Name) {
		edit, ok := edits[o.GetKind()]
		if !ok {
			t.Fatalf("no edit of %s", o.GetKind())
		}
		t.Run(o.GetKind()+"-"+o.GetName(), func(t *testing.T) {
			want, _, err := unstructured.NestedFieldCopy(o.Object, edit.path...)
			if err != nil {
				t.Fatal(err)
			}
			patch := map[string]any{}
			if err := unstructured.SetNestedField(patch, edit.value, edit.path...); err != nil {
				t.Fatal(err)
			}
			merge(t, &o, patch)
			await(t, "the field is healed", func() error {
				now, err := reread(t, o)
				if err != nil {
					return err
				}
				got, _, err := unstructured.NestedFieldNoCopy(now.Object, edit.path...)
				if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
					err = fmt.Errorf("%v is %v, want %v", edit.path, got, want)
				}
				return err
			})
		})
	}
}

// TestForeignAdditionsStay: what others add to our objects is not ours to take.
func TestForeignAdditionsStay(t *testing.T) {
	t.Parallel()
	d := installed(t)
	for _, o := range owned(t, d.Name) {
		merge(t, &o, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"example.com/note": "kept"}}})
	}
	wake(t, cluster.operator, d)
	for _, o := range owned(t, d.Name) {
		if o.GetAnnotations()["example.com/note"] != "kept" {
			t.Errorf("%s %s lost a foreign annotation", o.GetKind(), o.GetName())
		}
	}
}

// TestLostLabelOfAHashedName: an object with our hash in its name is ours, also
// where someone took the label away.
func TestLostLabelOfAHashedName(t *testing.T) {
	t.Parallel()
	d := installed(t)
	o := deployment(t, d)
	merge(t, o, map[string]any{"metadata": map[string]any{"labels": map[string]any{v1alpha1.LabelDeployment: nil}}})
	await(t, "the label is back", func() error {
		if got := deployment(t, d).Labels[v1alpha1.LabelDeployment]; got != d.Name {
			return fmt.Errorf("label is %q", got)
		}
		return nil
	})
}

func reread(t *testing.T, o unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	now := &unstructured.Unstructured{}
	now.SetGroupVersionKind(o.GroupVersionKind())
	return now, cluster.Get(t.Context(), client.ObjectKeyFromObject(&o), now)
}

// TestSwitchedWhileTheSpecChanges: a volume that somebody switched keeps no change of the
// spec from being applied.
func TestSwitchedWhileTheSpecChanges(t *testing.T) {
	t.Parallel()
	d := installed(t)
	before := deployment(t, d)
	change(t, d, state(v1alpha1.PlanOnly))
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	edit(t, d, drifts()["VolumeSwitched"])
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonPlanOnly)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.ManagementState, s.Controller.Replicas = v1alpha1.Managed, new(int32(3))
	})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	now := deployment(t, d)
	if *now.Spec.Replicas != 3 {
		t.Errorf("replicas are %d", *now.Spec.Replicas)
	}
	if diff := cmp.Diff(before.Spec.Template.Spec.Volumes, now.Spec.Template.Spec.Volumes); diff != "" {
		t.Errorf("volumes: -want, +got:\n%s", diff)
	}
}

// TestOthersWriteAtTheSameTime: that a healing meets another write is no failure to tell
// anybody of.
func TestOthersWriteAtTheSameTime(t *testing.T) {
	t.Parallel()
	d := installed(t)
	awaitCalm(t, cluster.operator, d)
	sent := len(requests(cluster.operator, d))
	s := &saboteur{at: 2, fault: faults()[1]} // after the apply that is refused
	cluster.operator.traffic.sabotage(d.Name, s)
	switched := drifts()["ProbeSwitched"]
	before, _ := edit(t, d, switched)
	await(t, "healed", func() error { return healed(t, before, switched) })
	awaitCalm(t, cluster.operator, d)
	if s.seen() < s.at {
		t.Errorf("only %d calls, none failed", s.seen())
	}
	told := 0
	for _, request := range requests(cluster.operator, d)[sent:] {
		if strings.HasSuffix(request, "/status") {
			told++
		}
	}
	if told > 1 {
		t.Errorf("%d writes of the status, want one about what was healed: %q", told, requests(cluster.operator, d)[sent:])
	}
}
