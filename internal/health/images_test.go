// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// of has a pod be made of a container with an image.
func of(name, image string) podEdit {
	return func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name, Image: image})
	}
}

// TestRunningImages are told where not all are the wanted one, by image.
func TestRunningImages(t *testing.T) {
	const name, wanted, old = "csi-attacher", "reg/csi-attacher:v2.0.0", "reg/csi-attacher:v1.0.0"
	row := desired.Row{Component: v1alpha1.ComponentController, Name: name, Image: wanted, Version: "v2.0.0"}
	at := func(pod, image string, state corev1.ContainerStatus, more ...podEdit) *corev1.Pod {
		return poded(pod, append([]podEdit{of("driver", "reg/driver:v9"), of(name, image), with(state)}, more...)...)
	}
	waits := corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}
	cases := map[string]struct {
		pods []*corev1.Pod
		want []v1alpha1.RunningImage
	}{
		"None":       {nil, nil},
		"AllWanted":  {[]*corev1.Pod{at("a", wanted, well(name)), at("b", wanted, well(name))}, nil},
		"NotRunning": {[]*corev1.Pod{at("a", old, waits)}, nil},
		"Rolling": {
			[]*corev1.Pod{at("a", wanted, well(name)), at("b", old, well(name)), at("c", old, well(name))},
			[]v1alpha1.RunningImage{{Image: old, Version: "v1.0.0", Containers: 2}, {Image: wanted, Version: "v2.0.0", Containers: 1}},
		},
		"OnlyOld": {[]*corev1.Pod{at("a", old, well(name))}, []v1alpha1.RunningImage{{Image: old, Version: "v1.0.0", Containers: 1}}},
		"NewDoesNotStart": {
			[]*corev1.Pod{at("a", old, well(name)), at("b", wanted, waits)},
			[]v1alpha1.RunningImage{{Image: old, Version: "v1.0.0", Containers: 1}},
		},
		"Digest":         {[]*corev1.Pod{at("a", "reg/a@sha256:"+digest64, well(name))}, []v1alpha1.RunningImage{{Image: "reg/a@sha256:" + digest64, Containers: 1}}},
		"NoName":         {[]*corev1.Pod{at("a", "Not:An:Image", well(name))}, []v1alpha1.RunningImage{{Image: "Not:An:Image", Containers: 1}}},
		"OtherContainer": {[]*corev1.Pod{poded("a", of("driver", old), with(well("driver")))}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, imagesOf(row, tc.pods)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

const digest64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func poded(name string, edits ...podEdit) *corev1.Pod {
	return new(pod(name, v1alpha1.ComponentController, "node", edits...))
}

// TestRowTellsItsImages: a row has them also while it is healthy.
func TestRowTellsItsImages(t *testing.T) {
	const name = "csi-attacher"
	row := desired.Row{Component: v1alpha1.ComponentController, Name: name, Image: "reg/a:v2"}
	v := view{kind: "Deployment", name: "d", known: true, desired: 1, updated: 1, settled: true,
		live: []*corev1.Pod{poded("a", of(name, "reg/a:v1"), with(well(name)))}}
	want := []v1alpha1.RunningImage{{Image: "reg/a:v1", Version: "v1", Containers: 1}}
	if diff := cmp.Diff(want, assessRow(row, v).Running); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
