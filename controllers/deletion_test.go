// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestRemovalInOrder plays kubelet: each stage begins when the pods of the one
// before are gone, and nothing is left at the end.
func TestRemovalInOrder(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	leases := desired.Leases(d.Name)
	for i, name := range leases {
		lease := &coordinationv1.Lease{}
		read(t, client.ObjectKey{Namespace: d.Spec.Namespace, Name: name}, lease)
		lease.Spec.HolderIdentity = new(desired.NamesOf(d.Name).Controller + "-abc12")
		if i == 0 {
			lease.Spec.HolderIdentity = new("somebody-else-0")
		}
		if err := cluster.Update(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, d)

	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "DaemonSet")
	awaitMessage(t, d, "waiting for Pod")
	awaitMessage(t, d, "on node "+nodesOf(d)[0]+" to end and for 1 more; if the node is gone for good, delete its Node object")
	endPods(t, d, v1alpha1.ComponentController)
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver")
	awaitMessage(t, d, "waiting for Pod")
	endPods(t, d, v1alpha1.DefaultNodePool)
	awaitGone(t, d)
	awaitKinds(t, d)

	for i, name := range leases {
		err := cluster.Get(t.Context(), client.ObjectKey{Namespace: d.Spec.Namespace, Name: name}, &coordinationv1.Lease{})
		if i == 0 && err != nil {
			t.Errorf("a Lease held by someone else: %v", err)
		}
		if i > 0 && !apierrors.IsNotFound(err) {
			t.Errorf("Lease %s is left: %v", name, err)
		}
	}
}

// awaitKinds waits until just these kinds of objects carry the driver's label.
func awaitKinds(t *testing.T, d *v1alpha1.CSIDriverDeployment, want ...string) {
	t.Helper()
	await(t, "objects of "+d.Name, func() error {
		var got []string
		for _, o := range owned(t, d.Name) {
			got = append(got, o.GetKind())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("-want, +got:\n%s", diff)
		}
		return nil
	})
}

func awaitMessage(t *testing.T, d *v1alpha1.CSIDriverDeployment, part string) {
	t.Helper()
	await(t, "Ready of "+d.Name, func() error {
		c := meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Reason != v1alpha1.ReasonDeleting || !strings.Contains(c.Message, part) {
			return fmt.Errorf("is %+v, want Deleting with %q", c, part)
		}
		return nil
	})
}

func TestBlockedByVolumes(t *testing.T) {
	for name, blocker := range map[string]func(*v1alpha1.CSIDriverDeployment) client.Object{
		"volume":     func(d *v1alpha1.CSIDriverDeployment) client.Object { return volume(d.Name) },
		"attachment": func(d *v1alpha1.CSIDriverDeployment) client.Object { return attachment(d.Name) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := healthy(t, installed(t))
			o := blocker(d)
			create(t, o)
			before := kindsOf(t, d)
			remove(t, d)
			message := awaitCondition(t, d, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonVolumesExist)
			if !strings.Contains(message, o.GetName()) || !strings.Contains(message, "driver "+d.Name+" still exists") {
				t.Errorf("message: %s", message)
			}
			status := refresh(t, d).Status.Deletion
			if status == nil || status.PersistentVolumes+status.VolumeAttachments != 1 || len(status.Examples) != 1 {
				t.Errorf("status.deletion is %+v", status)
			}
			keepsWorking(t, d)
			if diff := cmp.Diff(before, kindsOf(t, d)); diff != "" {
				t.Errorf("a blocked driver lost objects: -before, +after:\n%s", diff)
			}
			keepsClassesAway(t, d)

			removeUnprotected(t, o)
			endPods(t, d, v1alpha1.ComponentController)
			endPods(t, d, v1alpha1.DefaultNodePool)
			awaitGone(t, d)
			awaitKinds(t, d)
		})
	}
}

// keepsWorking asserts that a blocked driver is healed, changed and assessed.
func keepsWorking(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	remove(t, daemonSet(t, d), client.PropagationPolicy("Background"))
	await(t, "the DaemonSet is back", func() error {
		key := client.ObjectKey{Namespace: d.Spec.Namespace, Name: desired.NamesOf(d.Name).Node}
		return cluster.Get(t.Context(), key, &appsv1.DaemonSet{})
	})
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Controller.Replicas = new(int32(3)) })
	await(t, "the new spec is applied", func() error {
		if n := *deployment(t, d).Spec.Replicas; n != 3 {
			return fmt.Errorf("%d replicas", n)
		}
		return nil
	})
}

// keepsClassesAway asserts that a class that goes while a driver is blocked
// stays away, and that status counts what is there.
func keepsClassesAway(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: d.Name}}
	awaitCalm(t, cluster.operator, d) // a reconcile that has seen the class would make it anew
	remove(t, class)
	await(t, "the rest is counted", func() error {
		c := meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionApplied)
		if want := "all 10 objects are as rendered"; c == nil || c.Message != want {
			return fmt.Errorf("Applied is %+v, want %q", c, want)
		}
		return nil
	})
	if err := stillThere(t, class); err != nil {
		t.Error(err)
	}
}

func kindsOf(t *testing.T, d *v1alpha1.CSIDriverDeployment) []string {
	t.Helper()
	var kinds []string
	for _, o := range owned(t, d.Name) {
		kinds = append(kinds, o.GetKind()+"/"+o.GetName())
	}
	return kinds
}

func volume(driver string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + driver},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: "v1"},
			},
		},
	}
}

// removeUnprotected deletes a volume as the controller manager lets it go.
func removeUnprotected(t *testing.T, o client.Object) {
	t.Helper()
	merge(t, o, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	remove(t, o)
}

func attachment(driver string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "va-" + driver},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: driver, NodeName: "n",
			Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: new("pv-elsewhere")},
		},
	}
}

// TestVolumeComesUpDuringRemoval: a claim that was being served when the
// classes went must find its driver again.
func TestVolumeComesUpDuringRemoval(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	remove(t, d)
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "DaemonSet")
	pv := volume(d.Name)
	create(t, pv)
	awaitCondition(t, d, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonVolumesExist)
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "Deployment", "DaemonSet", "PodDisruptionBudget")
	removeUnprotected(t, pv)
	endPods(t, d, v1alpha1.ComponentController)
	endPods(t, d, v1alpha1.DefaultNodePool)
	awaitGone(t, d)
}

func TestForeignFinalizersStay(t *testing.T) {
	t.Parallel()
	const foreign = "example.com/mine"
	d := installed(t, func(d *v1alpha1.CSIDriverDeployment) { controllerutil.AddFinalizer(d, foreign) })
	remove(t, d)
	await(t, "only the foreign finalizer is left", func() error {
		if diff := cmp.Diff([]string{foreign}, refresh(t, d).Finalizers); diff != "" {
			return fmt.Errorf("-want, +got:\n%s", diff)
		}
		return nil
	})
	awaitKinds(t, d)
	merge(t, d, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	awaitGone(t, d)
}

func TestPropagationPolicies(t *testing.T) {
	for policy, left := range map[metav1.DeletionPropagation][]string{
		metav1.DeletePropagationBackground: nil,
		metav1.DeletePropagationForeground: {metav1.FinalizerDeleteDependents},
		metav1.DeletePropagationOrphan:     {metav1.FinalizerOrphanDependents},
	} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			d := installed(t)
			remove(t, d, client.PropagationPolicy(policy))
			awaitKinds(t, d)
			if left == nil {
				awaitGone(t, d)
				return
			}
			await(t, "the rest is the garbage collector's", func() error {
				if diff := cmp.Diff(left, refresh(t, d).Finalizers); diff != "" {
					return fmt.Errorf("-want, +got:\n%s", diff)
				}
				return nil
			})
			merge(t, d, map[string]any{"metadata": map[string]any{"finalizers": nil}})
			awaitGone(t, d)
		})
	}
}

func TestRemovalOfBrokenDrivers(t *testing.T) {
	for name, breakIt := range map[string]func(*testing.T, *v1alpha1.CSIDriverDeployment){
		"invalidspec": func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
				s.Controller.Pod = &runtime.RawExtension{Raw: []byte(`{"foo":1}`)}
			})
			awaitCondition(t, d, v1alpha1.ConditionSpecValid, metav1.ConditionFalse, v1alpha1.ReasonInvalid)
		},
		"namespacegone": func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			remove(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.Spec.Namespace}})
			awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonNamespaceMissing)
		},
		"foreigncsidriver": func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			awaitCalm(t, cluster.operator, d)
			o := &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: d.Name}}
			merge(t, o, map[string]any{"metadata": map[string]any{"labels": map[string]any{v1alpha1.LabelDeployment: "other.example.com"}}})
			awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonConflict)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := installed(t)
			breakIt(t, d)
			remove(t, d)
			awaitGone(t, d)
			awaitKinds(t, d)
		})
	}
}

// TestEveryKindHasItsStage: what belongs to no stage would outlive its driver.
func TestEveryKindHasItsStage(t *testing.T) {
	staged := classKinds() // before the stages
	for _, s := range stages() {
		staged = append(staged, s.kinds...)
	}
	var kinds []string
	for _, kind := range desired.Kinds() {
		kinds = append(kinds, kind.Kind)
	}
	slices.Sort(staged)
	slices.Sort(kinds)
	if diff := cmp.Diff(kinds, staged); diff != "" {
		t.Errorf("-kinds, +stages:\n%s", diff)
	}
}
