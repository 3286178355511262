// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestCacheSelects by label whatever can be: not what a name alone makes important.
func TestCacheSelects(t *testing.T) {
	options, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	if !options.ReaderFailOnMissingInformer {
		t.Error("a read of any kind starts a watch of it")
	}
	labelled := map[string]bool{}
	for o, by := range options.ByObject {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		if kind == "" {
			kind = strings.TrimPrefix(typeOf(o), "*v1.")
		}
		labelled[kind] = by.Label != nil && by.Label.Matches(labels.Set{v1alpha1.LabelDeployment: "x"}) && !by.Label.Matches(labels.Set{})
		if by.Label != nil && !labelled[kind] {
			t.Errorf("%s is selected by %v", kind, by.Label)
		}
		if by.Transform == nil {
			t.Errorf("%s is kept whole", kind)
		}
	}
	want := map[string]bool{
		"Pod": true, "Deployment": true, "DaemonSet": true, "StatefulSet": true, "PodDisruptionBudget": true, "ServiceAccount": true, "ConfigMap": true,
		"Role": true, "RoleBinding": true, "ClusterRole": true, "ClusterRoleBinding": true,
		"CSIDriver": false, "StorageClass": false, "Namespace": false,
		"CSINode": false, "Node": false, "PersistentVolume": false, "VolumeAttachment": false,
	}
	if diff := cmp.Diff(want, labelled); diff != "" {
		t.Errorf("selected by our label: -want, +got:\n%s", diff)
	}
}

// TestTransformsKeepLittle stores what must not be kept under a marked name.
func TestTransformsKeepLittle(t *testing.T) {
	const waste, deployment = "waste", v1alpha1.LabelDeployment
	about := metav1.ObjectMeta{
		Name: "o", UID: "1", Annotations: map[string]string{waste: waste, v1alpha1.AnnotationUID: "2"},
		Labels: map[string]string{v1alpha1.LabelDeployment: "d"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: waste}},
	}
	bare := about
	bare.Labels = map[string]string{waste: waste}
	wasteful := corev1.PodSpec{NodeName: "n", Hostname: "h", HostNetwork: true, ServiceAccountName: waste, Containers: []corev1.Container{{Name: "c", Image: "i", WorkingDir: waste}}}
	objects := map[string]struct {
		in    client.Object
		keeps []string
	}{
		"Pod": {
			in: &corev1.Pod{ObjectMeta: about, Spec: wasteful, Status: corev1.PodStatus{
				HostIP: waste, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Reason: "kept"}, {Type: waste}},
				ContainerStatuses: []corev1.ContainerStatus{{Name: "kept-too", ContainerID: waste, RestartCount: 7}},
			}},
			keeps: []string{"kept", "kept-too", `"nodeName":"n"`, `"name":"c","image":"i"`, `"hostname":"h"`, `"hostNetwork":true`, deployment},
		},
		"PersistentVolume": {
			in: &corev1.PersistentVolume{ObjectMeta: about, Spec: corev1.PersistentVolumeSpec{
				StorageClassName:       waste,
				PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "d", VolumeHandle: waste}},
			}},
			keeps: []string{`"driver":"d"`, deployment},
		},
		"VolumeAttachment": {
			in:    &storagev1.VolumeAttachment{ObjectMeta: about, Spec: storagev1.VolumeAttachmentSpec{Attacher: "d", NodeName: waste}},
			keeps: []string{`"attacher":"d"`, deployment},
		},
		"CSINode": {
			in:    &storagev1.CSINode{ObjectMeta: about, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "d", NodeID: waste}}}},
			keeps: []string{`"name":"d"`, deployment},
		},
		"Node": {
			in: &corev1.Node{
				ObjectMeta: bare,
				Spec:       corev1.NodeSpec{PodCIDR: waste, Taints: []corev1.Taint{{Key: "t"}}},
				Status:     corev1.NodeStatus{Images: []corev1.ContainerImage{{Names: []string{waste}}}},
			},
			keeps: []string{`"key":"t"`},
		},
		"Metadata": {in: &metav1.PartialObjectMetadata{ObjectMeta: about}, keeps: []string{deployment}},
	}
	options, err := CacheOptions()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range objects {
		t.Run(name, func(t *testing.T) {
			var out any = tc.in
			for o, by := range options.ByObject {
				if _, meta := tc.in.(*metav1.PartialObjectMetadata); typeOf(o) == typeOf(tc.in) || meta && typeOf(o) == typeOf(&corev1.Namespace{}) {
					kept, err := by.Transform(tc.in.DeepCopyObject())
					if err != nil {
						t.Fatal(err)
					}
					out = kept
					// client-go does that twice to what a cache lists first.
					twice, err := by.Transform(kept.(runtime.Object).DeepCopyObject()) //nolint:forcetypeassert // what comes in is one
					if diff := cmp.Diff(kept, twice); diff != "" || err != nil {
						t.Errorf("once, twice: %v\n%s", err, diff)
					}
				}
			}
			text, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), waste) {
				t.Errorf("keeps waste: %s", text)
			}
			for _, part := range append(tc.keeps, `"uid":"1"`, v1alpha1.AnnotationUID) {
				if !strings.Contains(string(text), part) {
					t.Errorf("lacks %s: %s", part, text)
				}
			}
		})
	}
}

// TestOwnedKeepWhatThePlanReads: content, metadata and who holds what, of the status
// what health reads, and of the objects of others nothing but who they are.
func TestOwnedKeepWhatThePlanReads(t *testing.T) {
	const waste = "waste"
	owned := func(labels map[string]string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"spec": map[string]any{"replicas": int64(3)},
			"status": map[string]any{
				"readyReplicas": int64(2), "terminatingReplicas": waste,
				"conditions": []any{
					map[string]any{"type": "Progressing", "message": waste},
					map[string]any{"type": "ReplicaFailure", "status": "True", "message": "quota", "lastUpdateTime": waste},
				},
			},
		}}
		u.SetName("o")
		u.SetUID("1")
		u.SetResourceVersion("7")
		u.SetLabels(labels)
		u.SetAnnotations(map[string]string{"a": "b"})
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "m"}, {Manager: waste, Subresource: "status"}})
		return u
	}
	ours, foreign := stripOwned(owned(map[string]string{v1alpha1.LabelDeployment: "d"})), stripOwned(owned(nil))
	for _, once := range []*unstructured.Unstructured{ours, foreign} {
		if diff := cmp.Diff(once.Object, stripOwned(once.DeepCopy()).Object); diff != "" {
			t.Errorf("once, twice:\n%s", diff)
		}
	}
	want := owned(map[string]string{v1alpha1.LabelDeployment: "d"})
	want.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "m"}})
	want.Object["status"] = map[string]any{
		"readyReplicas": int64(2), "conditions": []any{map[string]any{"type": "ReplicaFailure", "status": "True", "message": "quota"}},
	}
	if diff := cmp.Diff(want.Object, ours.Object); diff != "" {
		t.Errorf("ours: -want, +got:\n%s", diff)
	}
	bare := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "o", "uid": "1", "resourceVersion": "7"},
	}
	if diff := cmp.Diff(bare, foreign.Object); diff != "" {
		t.Errorf("foreign: -want, +got:\n%s", diff)
	}
}

func typeOf(o any) string { return fmt.Sprintf("%T", o) }

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
}
