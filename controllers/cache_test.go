// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestCacheHoldsOnlyLabelledPods(t *testing.T) {
	options, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	if !options.ReaderFailOnMissingInformer {
		t.Error("a read of any kind starts a watch of it")
	}
	for o, by := range options.ByObject {
		switch o.(type) {
		case *corev1.Pod, *appsv1.Deployment, *appsv1.DaemonSet, *corev1.ServiceAccount:
			if by.Label == nil || by.Label.Matches(labels.Set{}) || !by.Label.Matches(labels.Set{v1alpha1.LabelDeployment: "x"}) {
				t.Errorf("%T is selected by %v", o, by.Label)
			}
		case *storagev1.CSIDriver, *storagev1.StorageClass, *corev1.Namespace:
			if by.Label != nil {
				t.Errorf("%T is selected by %v, so a foreign one is not seen", o, by.Label)
			}
		}
		if by.Transform == nil {
			t.Errorf("%T is kept whole", o)
		}
	}
}

// TestTransformsKeepLittle stores what must not be kept under a marked name.
func TestTransformsKeepLittle(t *testing.T) {
	const waste = "waste"
	about := metav1.ObjectMeta{
		Name: "o", UID: "1", Annotations: map[string]string{waste: waste, v1alpha1.AnnotationUID: "2"},
		Labels: map[string]string{v1alpha1.LabelDeployment: "d"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: waste}},
	}
	wasteful := corev1.PodSpec{NodeName: "n", ServiceAccountName: waste}
	objects := map[string]struct {
		in    client.Object
		keeps []string
	}{
		"Pod": {
			in: &corev1.Pod{ObjectMeta: about, Spec: wasteful, Status: corev1.PodStatus{
				HostIP: waste, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Reason: "kept"}, {Type: waste}},
				ContainerStatuses: []corev1.ContainerStatus{{Name: "kept-too", ContainerID: waste, RestartCount: 7}},
			}},
			keeps: []string{"kept", "kept-too", `"nodeName":"n"`},
		},
		"Deployment": {
			in: &appsv1.Deployment{ObjectMeta: about, Spec: appsv1.DeploymentSpec{Replicas: new(int32(3)), Template: corev1.PodTemplateSpec{Spec: wasteful}},
				Status: appsv1.DeploymentStatus{ReadyReplicas: 2, Conditions: []appsv1.DeploymentCondition{{Type: waste}}}},
			keeps: []string{`"replicas":3`, `"readyReplicas":2`},
		},
		"DaemonSet": {
			in: &appsv1.DaemonSet{ObjectMeta: about, Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: wasteful}},
				Status: appsv1.DaemonSetStatus{NumberReady: 4, CurrentNumberScheduled: 5}},
			keeps: []string{`"numberReady":4`, `"currentNumberScheduled":5`},
		},
		"PersistentVolume": {
			in: &corev1.PersistentVolume{ObjectMeta: about, Spec: corev1.PersistentVolumeSpec{
				StorageClassName:       waste,
				PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "d", VolumeHandle: waste}},
			}},
			keeps: []string{`"driver":"d"`},
		},
		"VolumeAttachment": {
			in:    &storagev1.VolumeAttachment{ObjectMeta: about, Spec: storagev1.VolumeAttachmentSpec{Attacher: "d", NodeName: waste}},
			keeps: []string{`"attacher":"d"`},
		},
		"CSINode": {
			in:    &storagev1.CSINode{ObjectMeta: about, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "d", NodeID: waste}}}},
			keeps: []string{`"name":"d"`},
		},
		"Metadata": {in: &metav1.PartialObjectMetadata{ObjectMeta: about}},
	}
	options, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range objects {
		t.Run(name, func(t *testing.T) {
			var out any = tc.in
			for o, by := range options.ByObject {
				if _, meta := tc.in.(*metav1.PartialObjectMetadata); kindOf(o) == kindOf(tc.in) || meta && kindOf(o) == "*v1.Namespace" {
					kept, err := by.Transform(tc.in.DeepCopyObject())
					if err != nil {
						t.Fatal(err)
					}
					out = kept
				}
			}
			text, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), waste) {
				t.Errorf("keeps waste: %s", text)
			}
			for _, part := range append(tc.keeps, `"uid":"1"`, v1alpha1.AnnotationUID, v1alpha1.LabelDeployment) {
				if !strings.Contains(string(text), part) {
					t.Errorf("lacks %s: %s", part, text)
				}
			}
		})
	}
}

func kindOf(o any) string { return fmt.Sprintf("%T", o) }

func TestPredicates(t *testing.T) {
	when := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	pod := func(edits ...func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", ResourceVersion: "1", Generation: 1}}
		for _, edit := range edits {
			edit(p)
		}
		return p
	}
	newer := func(p *corev1.Pod) { p.ResourceVersion = "2" }
	cases := map[string]struct {
		update                  event.UpdateEvent
		altered, asked, deleted bool
	}{
		"Version":    {update: event.UpdateEvent{ObjectOld: pod(), ObjectNew: pod(newer)}},
		"Label":      {update: event.UpdateEvent{ObjectOld: pod(), ObjectNew: pod(func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} })}, altered: true},
		"Status":     {update: event.UpdateEvent{ObjectOld: pod(), ObjectNew: pod(func(p *corev1.Pod) { p.Status.Reason = "r" })}, altered: true},
		"Generation": {update: event.UpdateEvent{ObjectOld: pod(), ObjectNew: pod(func(p *corev1.Pod) { p.Generation = 2 })}, altered: true, asked: true},
		"Deletion":   {update: event.UpdateEvent{ObjectOld: pod(), ObjectNew: pod(func(p *corev1.Pod) { p.DeletionTimestamp = &when })}, altered: true, asked: true, deleted: true},
		"FinalizerAdded": {
			update:  event.UpdateEvent{ObjectOld: pod(), ObjectNew: pod(func(p *corev1.Pod) { p.Finalizers = []string{"f"} })},
			altered: true,
		},
		"FinalizerTaken": {
			update:  event.UpdateEvent{ObjectOld: pod(func(p *corev1.Pod) { p.Finalizers = []string{"f"} }), ObjectNew: pod()},
			altered: true, asked: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := [3]bool{altered().Update(tc.update), asked().Update(tc.update), born().Update(tc.update)}
			if want := [3]bool{tc.altered, tc.asked, tc.deleted}; got != want {
				t.Errorf("altered, asked, born are %v, want %v", got, want)
			}
		})
	}
	if unseen().Create(event.CreateEvent{Object: pod()}) || !unseen().Delete(event.DeleteEvent{Object: pod()}) {
		t.Error("unseen passes creations or drops deletions")
	}
}
