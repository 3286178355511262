// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	d := installed(t)
	now := refresh(t, d)

	names := desired.NamesOf(d.Name)
	want := []string{
		"CSIDriver/" + d.Name,
		"ClusterRole/" + names.Controller,
		"ClusterRoleBinding/" + names.Controller,
		"DaemonSet/" + names.Node,
		"Deployment/" + names.Controller,
		"PodDisruptionBudget/" + names.Controller,
		"Role/" + names.Controller,
		"RoleBinding/" + names.Controller,
		"ServiceAccount/" + names.Controller,
		"ServiceAccount/" + names.Node,
		"StorageClass/" + d.Name,
	}
	var got []string
	for _, o := range owned(t, d.Name) {
		got = append(got, o.GetKind()+"/"+o.GetName())
		if len(o.GetOwnerReferences()) > 0 {
			t.Errorf("%s %s has an owner reference", o.GetKind(), o.GetName())
		}
		if uid := o.GetAnnotations()[v1alpha1.AnnotationUID]; uid != string(now.UID) {
			t.Errorf("%s %s records uid %q, want %q", o.GetKind(), o.GetName(), uid, now.UID)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1alpha1.Finalizer}, now.Finalizers); diff != "" {
		t.Errorf("finalizers: -want, +got:\n%s", diff)
	}
	if now.Status.Namespace != d.Spec.Namespace || now.Status.Driver.Image != driverImage || now.Status.Driver.Version != "v1.2.3" {
		t.Errorf("status has namespace %q and driver %+v", now.Status.Namespace, now.Status.Driver)
	}
}

// TestInstallOrder reads the operator's requests: the finalizer stands before
// the first object, every object comes after what it needs, each is written once,
// and nothing is read from the API server.
func TestInstallOrder(t *testing.T) {
	t.Parallel()
	d := installed(t)
	sent := requests(cluster.operator, d)
	first := func(part string) int {
		i := slices.IndexFunc(sent, func(s string) bool { return !strings.HasPrefix(s, "GET ") && strings.Contains(s, part) })
		if i < 0 {
			t.Fatalf("no request with %s among %q", part, sent)
		}
		return i
	}
	object := "/csidriverdeployments/" + d.Name
	for _, order := range [][]string{
		{object, "/clusterroles/", "/clusterrolebindings/", "/deployments/", object + "/status"},
		{object, "/csidrivers/", "/deployments/"},
		{object, "/csidrivers/", "/storageclasses/", object + "/status"},
	} {
		for i := 1; i < len(order); i++ {
			if first(order[i-1]) > first(order[i]) {
				t.Errorf("%s came before %s: %q", order[i], order[i-1], sent)
			}
		}
	}
	count := map[string]int{}
	for _, s := range sent {
		if count[s]++; strings.HasPrefix(s, "GET ") {
			t.Errorf("live read: %s", s)
		}
	}
	for request, times := range count {
		if times > 1 && !strings.HasSuffix(request, "/status") {
			t.Errorf("%d times: %s", times, request)
		}
	}
}

func TestStorageClasses(t *testing.T) {
	t.Parallel()
	class := func(name string) v1alpha1.StorageClass {
		return v1alpha1.StorageClass{Name: name + "-" + uniqueName(t)}
	}
	d := installed(t, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.StorageClasses = []v1alpha1.StorageClass{class("a"), class("b")}
	})
	classes := func() []string {
		var got []string
		for _, o := range owned(t, d.Name) {
			if o.GetKind() == "StorageClass" {
				got = append(got, o.GetName())
			}
		}
		return got
	}
	if diff := cmp.Diff([]string{class("a").Name, class("b").Name}, classes()); diff != "" {
		t.Errorf("two classes: -want, +got:\n%s", diff)
	}

	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.StorageClasses = []v1alpha1.StorageClass{class("b")}
	})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	if diff := cmp.Diff([]string{class("b").Name}, classes()); diff != "" {
		t.Errorf("one class left the spec: -want, +got:\n%s", diff)
	}

	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.StorageClasses = []v1alpha1.StorageClass{} })
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	if got := classes(); len(got) > 0 {
		t.Errorf("an empty list leaves %q", got)
	}
}

func TestImmutableClassIsToldAndTheRestApplied(t *testing.T) {
	t.Parallel()
	d := installed(t, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.StorageClasses = []v1alpha1.StorageClass{{Name: d.Name}}
	})
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.StorageClasses = []v1alpha1.StorageClass{
			{Name: d.Name, Parameters: map[string]string{"csi.storage.k8s.io/fstype": "xfs"}},
			{Name: d.Name + "-new", ReclaimPolicy: new(corev1.PersistentVolumeReclaimRetain)},
		}
		s.Controller.Replicas = new(int32(3))
	})
	message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonApplyRefused)
	if !strings.Contains(message, `StorageClass "`+d.Name+`"`) || !strings.Contains(message, "parameters") {
		t.Errorf("message names neither object nor field: %s", message)
	}
	if got := deployment(t, d); *got.Spec.Replicas != 3 {
		t.Errorf("replicas %d, want 3", *got.Spec.Replicas)
	}
	if got := len(owned(t, d.Name)); got != 12 {
		t.Errorf("%d objects, want 12 with the new class", got)
	}

	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.StorageClasses[0].Parameters = nil })
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

func TestUnknownFieldInPodFragment(t *testing.T) {
	t.Parallel()
	d := installed(t)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.Controller.Pod = &runtime.RawExtension{Raw: []byte(`{"tolerations":[{"key":"a","foo":"bar"}]}`)}
	})
	message := awaitCondition(t, d, v1alpha1.ConditionSpecValid, metav1.ConditionFalse, v1alpha1.ReasonInvalid)
	if !strings.Contains(message, "spec.controller.pod.tolerations[0].foo") {
		t.Errorf("message has no path: %s", message)
	}
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonSpecInvalid)
	if rows := refresh(t, d).Status.Sidecars; len(rows) == 0 {
		t.Error("the rows of what still runs are lost")
	}

	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Controller.Pod = nil })
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}
