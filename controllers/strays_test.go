// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// unlabelled takes our label off everything of a driver, which is left alone by now,
// and returns what there was.
func unlabelled(t *testing.T, d *v1alpha1.CSIDriverDeployment) []unstructured.Unstructured {
	t.Helper()
	change(t, d, state(v1alpha1.PlanOnly))
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied) // of the new generation
	all := owned(t, d.Name)
	for i := range all {
		merge(t, &all[i], map[string]any{"metadata": map[string]any{"labels": map[string]any{v1alpha1.LabelDeployment: nil}}})
	}
	return all
}

// TestRemovalFindsWhatLostItsLabel by what is recorded of it.
func TestRemovalFindsWhatLostItsLabel(t *testing.T) {
	t.Parallel()
	d := installed(t)
	all := unlabelled(t, d)
	remove(t, d)
	awaitGone(t, d)
	for i := range all {
		if err := stillThere(t, &all[i]); err != nil {
			t.Error(err)
		}
	}
}

// TestReleaseFindsWhatLostItsLabel: nothing of ours is left on it.
func TestReleaseFindsWhatLostItsLabel(t *testing.T) {
	t.Parallel()
	d := installed(t)
	all := unlabelled(t, d)
	change(t, d, state(v1alpha1.Unmanaged))
	remove(t, d)
	awaitGone(t, d)
	for _, o := range all {
		now, err := reread(t, o)
		if err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
			continue
		}
		labels, annotations := now.GetLabels(), now.GetAnnotations()
		for _, key := range []string{v1alpha1.LabelManagedBy, v1alpha1.LabelComponent, v1alpha1.AnnotationUID} {
			if labels[key] != "" || annotations[key] != "" {
				t.Errorf("%s %s keeps %s", o.GetKind(), o.GetName(), key)
			}
		}
	}
}

// TestUnwantedClassWithoutLabel goes as one with its label does.
func TestUnwantedClassWithoutLabel(t *testing.T) {
	t.Parallel()
	d := installed(t)
	unlabelled(t, d)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.ManagementState, s.StorageClasses = v1alpha1.Managed, []v1alpha1.StorageClass{}
	})
	awaitGone(t, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: d.Name}})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

// TestUnwantedRoleWithoutLabel is found by what is recorded of it.
func TestUnwantedRoleWithoutLabel(t *testing.T) {
	t.Parallel()
	d := installed(t)
	about := former(d)[2]
	about.SetLabels(nil)
	applyAsOperator(t, about)
	read(t, client.ObjectKeyFromObject(about), about)
	ref := plan.Ref{Kind: "Role", Namespace: about.GetNamespace(), Name: about.GetName()}
	l := cluster.operator.reconciler.ledger
	l.mu.Lock()
	l.of(refresh(t, d))[ref] = entry{record: plan.Record{Intent: "a", Live: "b", UID: about.GetUID()}}
	l.mu.Unlock()
	wake(t, cluster.operator, d)
	awaitGone(t, about)
}

// former are a workload of each kind and a role, as an older operator would have made
// them for a driver, and a newer one does not want them.
func former(d *v1alpha1.CSIDriverDeployment) []client.Object {
	about := metav1.ObjectMeta{Name: d.Name + "-former", Namespace: d.Spec.Namespace, Labels: map[string]string{v1alpha1.LabelDeployment: d.Name}}
	pods := map[string]string{"app": about.Name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: pods},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	return []client.Object{
		&appsv1.Deployment{ObjectMeta: about, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: pods}, Template: template}},
		&appsv1.DaemonSet{ObjectMeta: about, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: pods}, Template: template}},
		&rbacv1.Role{ObjectMeta: about},
	}
}

// applyAsOperator makes an object as the operator would, and returns what is there.
func applyAsOperator(t *testing.T, o client.Object) *unstructured.Unstructured {
	t.Helper()
	kinds, _, err := cluster.Scheme().ObjectKinds(o)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	delete(fields, "status")
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(kinds[0])
	if err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUnwantedWorkloads stay, with their rights, as long as they are needed, and are
// told; then they go.
func TestUnwantedWorkloads(t *testing.T) {
	t.Parallel()
	d := installed(t)
	attachment, pv := attachment(d.Name), volume(d.Name)
	create(t, attachment)
	create(t, pv)
	awaitCached(t, attachment)
	awaitCached(t, pv)
	all := former(d)
	applyAsOperator(t, all[0])
	applyAsOperator(t, all[1])
	awaitBlocked(t, d, "it is not wanted any more, and stays for 1 VolumeAttachment of the driver, e.g. "+attachment.Name+"; 1 more")
	applyAsOperator(t, all[2])
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonBlocked)
	awaitListed(t, d, all, v1alpha1.ObjectPending)
	wake(t, cluster.operator, d)
	for _, o := range all {
		if stillThere(t, o) == nil {
			t.Errorf("%T went while something is attached", o)
		}
	}

	remove(t, attachment)
	awaitCollected(t, all[0])
	awaitBlocked(t, d, "it is not wanted any more, and stays for 1 PersistentVolume of the driver, e.g. "+pv.Name+"; 1 more")
	removeUnprotected(t, pv)
	awaitCollected(t, all[1])
	awaitGone(t, all[2])
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	if meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionChangeBlocked) != nil {
		t.Error("ChangeBlocked stands although nothing is blocked")
	}
	awaitListed(t, d, all, "")
}

// awaitCollected waits until a workload is being deleted in the foreground, and lets it
// go, as the garbage collector does when its pods are gone.
func awaitCollected(t *testing.T, o client.Object) {
	t.Helper()
	await(t, fmt.Sprintf("%T is being deleted", o), func() error {
		if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		if !slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents) {
			return fmt.Errorf("finalizers are %q", o.GetFinalizers())
		}
		return nil
	})
	merge(t, o, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	awaitGone(t, o)
}

// awaitBlocked waits until a condition tells what is blocked.
func awaitBlocked(t *testing.T, d *v1alpha1.CSIDriverDeployment, message string) {
	t.Helper()
	await(t, "a change is blocked", func() error {
		c := meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionChangeBlocked)
		if c == nil || c.Status != metav1.ConditionTrue || !strings.HasSuffix(c.Message, message) {
			return fmt.Errorf("ChangeBlocked is %+v", c)
		}
		return nil
	})
}

// awaitListed waits until status lists objects in a state; the empty one: not at all.
func awaitListed(t *testing.T, d *v1alpha1.CSIDriverDeployment, all []client.Object, want v1alpha1.ObjectState) {
	t.Helper()
	await(t, "status lists what is not wanted", func() error {
		for _, o := range all {
			listed := refresh(t, d).Status.Objects
			i := slices.IndexFunc(listed, func(s v1alpha1.ObjectStatus) bool {
				return s.Name == o.GetName() && fmt.Sprintf("%T", o) == "*v1."+s.Kind
			})
			var got v1alpha1.ObjectState
			if i >= 0 {
				got = listed[i].State
			}
			if got != want {
				return fmt.Errorf("%T is %q, want %q", o, got, want)
			}
		}
		return nil
	})
}

// awaitCached waits until the operator's cache has an object.
func awaitCached(t *testing.T, o client.Object) {
	t.Helper()
	await(t, fmt.Sprintf("the cache has %T %s", o, o.GetName()), func() error {
		found, ok := o.DeepCopyObject().(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", o)
		}
		return cluster.operator.client.Get(t.Context(), client.ObjectKeyFromObject(o), found)
	})
}

// TestRemovalListsWhatIsLeft in the status, and not what is gone.
func TestRemovalListsWhatIsLeft(t *testing.T) {
	t.Parallel()
	d := installed(t)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "stays", Namespace: d.Spec.Namespace, Labels: desired.Labels(d.Name, v1alpha1.ComponentController), Finalizers: []string{"example.com/stay"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	create(t, pod)
	remove(t, d)
	await(t, "status lists what is left", func() error {
		for _, o := range refresh(t, d).Status.Objects {
			if o.State != v1alpha1.ObjectDeleting || o.Kind == "StorageClass" || o.Kind == "Deployment" {
				return fmt.Errorf("lists %s %s as %s", o.Kind, o.Name, o.State)
			}
		}
		if n := len(refresh(t, d).Status.Objects); n != 8 {
			return fmt.Errorf("lists %d objects", n)
		}
		return nil
	})
	merge(t, pod, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	remove(t, pod)
	awaitGone(t, d)
}
