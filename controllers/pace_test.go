// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestPace: what tells of health alone waits for the window to end, all else does not.
func TestPace(t *testing.T) {
	edits := map[string]struct {
		edit  func(*v1alpha1.CSIDriverDeploymentStatus)
		waits bool
	}{
		"Controller": {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.Controller.Ready = 1 }, true},
		"Nodes":      {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.Nodes.Ready = 1 }, true},
		"Rows":       {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.Sidecars = []v1alpha1.SidecarStatus{{Name: "a"}} }, true},
		"Summary":    {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.SidecarSummary = "1/1" }, true},
		"Ready":      {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.Conditions[0].Status = metav1.ConditionTrue }, true},
		"Registered": {func(s *v1alpha1.CSIDriverDeploymentStatus) {
			s.Conditions = append(s.Conditions, metav1.Condition{Type: v1alpha1.ConditionNodesRegistered})
		}, true},
		"Reconciling": {func(s *v1alpha1.CSIDriverDeploymentStatus) {
			s.Conditions = append(s.Conditions, metav1.Condition{Type: v1alpha1.ConditionReconciling})
		}, true},
		"Stalled": {func(s *v1alpha1.CSIDriverDeploymentStatus) {
			s.Conditions = append(s.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled})
		}, true},
		"Applied":    {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.Conditions[1].Status = metav1.ConditionTrue }, false},
		"Objects":    {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.Objects = []v1alpha1.ObjectStatus{{Name: "a"}} }, false},
		"Generation": {func(s *v1alpha1.CSIDriverDeploymentStatus) { s.ObservedGeneration = 2 }, false},
	}
	for name, tc := range edits {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			p := newPace()
			p.now = func() time.Time { return now }
			d := &v1alpha1.CSIDriverDeployment{}
			d.UID = "1"
			d.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady}, {Type: v1alpha1.ConditionApplied}}
			before := d.Status.DeepCopy()
			tc.edit(&d.Status)
			if got := p.wait(before, d); got != 0 {
				t.Errorf("the first write waits %s", got)
			}
			p.wrote("1")
			now = now.Add(window / 4)
			want := time.Duration(0)
			if tc.waits {
				want = window - window/4
			}
			if got := p.wait(before, d); got != want {
				t.Errorf("the second write waits %s, want %s", got, want)
			}
			now = now.Add(want)
			if got := p.wait(before, d); got != 0 {
				t.Errorf("after the window it waits %s", got)
			}
			if p.forget("1"); len(p.last) > 0 {
				t.Error("a driver that is gone is kept")
			}
		})
	}
}

// TestBurst: many pods that fail one after the other are told in few writes, and the last
// one is in the last of them.
func TestBurst(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	pod := &corev1.Pod{}
	read(t, client.ObjectKey{Namespace: d.Spec.Namespace, Name: v1alpha1.DefaultNodePool + "-" + nodesOf(d)[0]}, pod)
	before := len(statusWrites(d))
	began := time.Now()
	const failures = 40
	for i := range failures {
		s := &pod.Status.ContainerStatuses[0]
		s.Ready = false
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: int32(i + 1), Reason: "Error", Message: fmt.Sprint("failure ", i+1)}} //nolint:gosec // few
		updateStatus(t, pod)
	}
	await(t, "the last failure is told", func() error {
		for _, s := range refresh(t, d).Status.Sidecars {
			if s.Worst != nil && s.Worst.LastMessage == fmt.Sprint("failure ", failures) {
				return nil
			}
		}
		return fmt.Errorf("rows are %+v", d.Status.Sidecars)
	})
	writes, most := len(statusWrites(d))-before, int(time.Since(began)/window)+2
	if writes > most || writes == 0 {
		t.Errorf("%d writes in %s, want at most %d", writes, time.Since(began), most)
	}
}

// statusWrites are the writes of a driver's status.
func statusWrites(d *v1alpha1.CSIDriverDeployment) []string {
	var writes []string
	for _, request := range cluster.operator.traffic.all() {
		if strings.Contains(request, "/"+d.Name+"/status") {
			writes = append(writes, request)
		}
	}
	return writes
}
