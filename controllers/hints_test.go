// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestHints(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int, reason, message string) corev1.Event {
		return corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: message, LastTimestamp: metav1.NewTime(start.Add(time.Duration(seconds) * time.Second))}
	}
	const vague = "Unable to attach or mount volumes: unmounted volumes=[a]: timed out waiting for the condition"
	well := func(seconds int) corev1.Event {
		e := at(seconds, "SuccessfulCreate", "Created pod: x")
		e.Type = corev1.EventTypeNormal
		return e
	}
	series := corev1.Event{Type: corev1.EventTypeWarning, Reason: "S", Message: "series", EventTime: metav1.NewMicroTime(start), Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(start.Add(time.Hour))}}
	killing := well(1)
	killing.Reason = "Killing"
	cases := map[string]struct {
		events []corev1.Event
		want   string
	}{
		"Killed":        {[]corev1.Event{at(0, "Unhealthy", "probe failed"), killing}, "Unhealthy: probe failed"},
		"None":          {nil, ""},
		"One":           {[]corev1.Event{at(0, "FailedMount", `secret "x" not found`)}, `FailedMount: secret "x" not found`},
		"Newest":        {[]corev1.Event{at(0, "A", "a"), at(600, "B", "b")}, "B: b"},
		"TakingTurns":   {[]corev1.Event{at(30, "B", "b"), at(0, "A", "a")}, "A: a"},
		"OnTheBound":    {[]corev1.Event{at(180, "B", "b"), at(0, "A", "a")}, "A: a"},
		"Vague":         {[]corev1.Event{at(120, "FailedMount", vague), at(0, "FailedMount", "a cause")}, "FailedMount: a cause"},
		"OnlyVague":     {[]corev1.Event{at(0, "FailedMount", vague)}, "FailedMount: " + vague},
		"WellSince":     {[]corev1.Event{at(0, "A", "a"), well(1)}, ""},
		"WellBefore":    {[]corev1.Event{well(0), at(1, "A", "a")}, "A: a"},
		"WellBetween":   {[]corev1.Event{at(0, "A", "a"), well(1), at(2, "B", "b")}, "B: b"},
		"WellMeanwhile": {[]corev1.Event{at(1, "A", "a"), well(1)}, "A: a"},
		"OnlyWell":      {[]corev1.Event{well(0)}, ""},
		"Series":        {[]corev1.Event{at(0, "A", "a"), series}, "S: series"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			hint, found := hintIn(tc.events)
			if got := strings.TrimPrefix(hint.Reason+": "+hint.Message, ": "); got != tc.want || found != (tc.want != "") {
				t.Errorf("got %q, %t; want %q", got, found, tc.want)
			}
		})
	}
}

// TestHintsNameContainers where they are about one.
func TestHintsNameContainers(t *testing.T) {
	for path, want := range map[string]string{"spec.containers{driver}": "driver", "": "", "spec.initContainers{first}": ""} {
		hint, _ := hintIn([]corev1.Event{{
			Type: corev1.EventTypeWarning, Reason: "Unhealthy", InvolvedObject: corev1.ObjectReference{FieldPath: path},
		}})
		if hint.Container != want {
			t.Errorf("%q is about %q, want %q", path, hint.Container, want)
		}
	}
}

// TestWhatOnlyEventsTell: a volume that cannot be mounted, and pods that cannot be created.
func TestWhatOnlyEventsTell(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	pods := &corev1.PodList{}
	if err := cluster.List(t.Context(), pods, client.InNamespace(d.Spec.Namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Labels[v1alpha1.LabelComponent] != v1alpha1.ComponentController {
			continue
		}
		pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
		updateStatus(t, pod)
		warn(t, d, "Pod", pod, "FailedMount", `MountVolume.SetUp failed for volume "keys" : secret "keys" not found`)
	}
	set := daemonSet(t, d)
	set.Status = appsv1.DaemonSetStatus{ObservedGeneration: set.Generation, DesiredNumberScheduled: 3, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 2}
	updateStatus(t, set)
	warn(t, d, "DaemonSet", set, "FailedCreate", `Error creating: pods "x-1" is forbidden: exceeded quota: pods`)

	want := map[string]string{
		"controller": `0 of 2 ready; pod controller-` + nodesOf(d)[0] + ` on ` + nodesOf(d)[0] + `: FailedMount: MountVolume.SetUp failed for volume "keys" : secret "keys" not found`,
		"node":       "2 of 3 ready; pods are forbidden: exceeded quota: pods",
	}
	await(t, "the rows tell why", func() error {
		for _, row := range refresh(t, d).Status.Sidecars {
			if row.Message != want[row.Component] {
				return fmt.Errorf("%s of %s: %q, want %q", row.Name, row.Component, row.Message, want[row.Component])
			}
		}
		return nil
	})
	awaitCalm(t, cluster.operator, d)
}

// warn plays a controller that emits a warning.
func warn(t *testing.T, d *v1alpha1.CSIDriverDeployment, kind string, about client.Object, reason, message string) {
	t.Helper()
	create(t, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: d.Spec.Namespace, GenerateName: "warning-"},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: about.GetNamespace(), Name: about.GetName(), UID: about.GetUID()},
		Reason:         reason, Message: message, Type: corev1.EventTypeWarning, LastTimestamp: metav1.Now(),
	})
}
