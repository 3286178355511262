// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// await polls until check has no error.
func await(t *testing.T, what string, check func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}

// driver makes a CR of a name of its own in a namespace of its own.
func driver(t *testing.T, edits ...func(*v1alpha1.CSIDriverDeployment)) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	d := &v1alpha1.CSIDriverDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)},
		Spec: v1alpha1.CSIDriverDeploymentSpec{
			Bundled: &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pools/test"},
		},
	}
	d.Spec.Namespace = "ns-" + d.Name
	for _, edit := range edits {
		edit(d)
	}
	return d
}

// uniqueName is a driver name made of the test's.
func uniqueName(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	return strings.Trim(name[:min(len(name), 45)], "-")
}

// installed creates a driver with its namespace and waits until it is applied.
func installed(t *testing.T, edits ...func(*v1alpha1.CSIDriverDeployment)) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	d := driver(t, edits...)
	createNamespace(t, d.Spec.Namespace)
	create(t, d)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	return d
}

func create(t *testing.T, o client.Object) {
	t.Helper()
	if err := cluster.Create(t.Context(), o); err != nil {
		t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
}

func createNamespace(t *testing.T, name string) *corev1.Namespace {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	create(t, ns)
	return ns
}

// awaitCondition waits for a condition and returns its message.
func awaitCondition(t *testing.T, d *v1alpha1.CSIDriverDeployment, kind string, status metav1.ConditionStatus, reason string) string {
	t.Helper()
	var message string
	await(t, fmt.Sprintf("%s of %s", kind, d.Name), func() error {
		now := &v1alpha1.CSIDriverDeployment{}
		if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
			return err
		}
		wantAgreement(t, now)
		c := meta.FindStatusCondition(now.Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason || c.ObservedGeneration != now.Generation {
			return fmt.Errorf("is %+v at generation %d, want %s/%s", c, now.Generation, status, reason)
		}
		message = c.Message
		return nil
	})
	return message
}

// awaitGone waits until an object is gone.
func awaitGone(t *testing.T, o client.Object) {
	t.Helper()
	await(t, fmt.Sprintf("%T %s is gone", o, o.GetName()), func() error {
		return stillThere(t, o)
	})
}

// stillThere is an error while the object exists.
func stillThere(t *testing.T, o client.Object) error {
	t.Helper()
	now, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return errors.New("not an object")
	}
	err := cluster.Get(t.Context(), client.ObjectKeyFromObject(o), now)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%T %s exists, finalizers %q", o, o.GetName(), now.GetFinalizers())
}

// owned lists, live, all objects with the label of a driver; of some kinds where they are
// given.
func owned(t *testing.T, name string, kinds ...schema.GroupVersionKind) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	if len(kinds) == 0 {
		kinds = desired.Kinds()
	}
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := cluster.List(t.Context(), list, client.MatchingLabels(desired.Selector(name)))
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) { // one that the cluster does not have
			continue
		}
		if err != nil {
			t.Fatalf("listing %s: %v", kind.Kind, err)
		}
		all = append(all, list.Items...)
	}
	return all
}

// versions are the resource versions of the CR and of all its objects.
func versions(t *testing.T, d *v1alpha1.CSIDriverDeployment) map[string]string {
	t.Helper()
	now := refresh(t, d)
	v := map[string]string{v1alpha1.Kind: now.ResourceVersion}
	for _, o := range owned(t, d.Name) {
		v[o.GetKind()+"/"+o.GetName()] = o.GetResourceVersion()
	}
	return v
}

// refresh reads a driver. Whatever state it is in, other tools agree on it.
func refresh(t *testing.T, d *v1alpha1.CSIDriverDeployment) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	now := &v1alpha1.CSIDriverDeployment{}
	if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
		t.Fatalf("reading %s: %v", d.Name, err)
	}
	wantAgreement(t, now)
	return now
}

// awaitCalm waits until the operator has sent nothing about a driver during
// several polls, which a hot loop never grants. It returns the number of
// requests so far.
func awaitCalm(t *testing.T, o *operator, d *v1alpha1.CSIDriverDeployment) int {
	t.Helper()
	const calm = 12
	count, same := -1, 0
	await(t, "the operator leaves "+d.Name+" in peace", func() error {
		now := len(requests(o, d))
		if now == count {
			same++
		} else {
			count, same = now, 0
		}
		if same < calm {
			return fmt.Errorf("%d requests so far, the last ones %q", now, last(requests(o, d), 5))
		}
		return nil
	})
	return count
}

// requests are all requests of an operator about a driver and its objects.
func requests(o *operator, d *v1alpha1.CSIDriverDeployment) []string {
	names := desired.NamesOf(d.Name)
	return o.traffic.about(d.Name, names.Controller, names.Node)
}

func last(s []string, n int) []string { return s[max(0, len(s)-n):] }

// wake lets the operator reconcile a driver once more, when it is at rest, and
// waits until it is again.
func wake(t *testing.T, o *operator, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	awaitCalm(t, o, d)
	reconcileOnce(t, o, d)
	awaitCalm(t, o, d)
}

// reconcileOnce does what a worker of the operator does.
func reconcileOnce(t *testing.T, o *operator, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	now := &v1alpha1.CSIDriverDeployment{}
	if err := o.client.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
		t.Fatal(err)
	}
	if _, err := o.reconciler.Reconcile(asWorker(t, d), now); err != nil {
		t.Fatalf("reconciling %s: %v", d.Name, err)
	}
}

// asWorker is the context of a worker that reconciles a driver.
func asWorker(t *testing.T, d *v1alpha1.CSIDriverDeployment) context.Context {
	t.Helper()
	return log.IntoContext(t.Context(), named(ctrl.Log, d.Name))
}

// change edits the spec of a driver as a user would.
func change(t *testing.T, d *v1alpha1.CSIDriverDeployment, edit func(*v1alpha1.CSIDriverDeploymentSpec)) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		now := refresh(t, d)
		edit(&now.Spec)
		return cluster.Update(t.Context(), now)
	})
	if err != nil {
		t.Fatalf("changing %s: %v", d.Name, err)
	}
}

func remove(t *testing.T, o client.Object, options ...client.DeleteOption) {
	t.Helper()
	if err := cluster.Delete(t.Context(), o, options...); err != nil {
		t.Fatalf("deleting %T %s: %v", o, o.GetName(), err)
	}
}

// merge sends a merge patch.
func merge(t *testing.T, o client.Object, patch map[string]any) {
	t.Helper()
	text, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	target, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", o)
	}
	if err := cluster.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, text)); err != nil {
		t.Fatalf("patching %T %s: %v", o, o.GetName(), err)
	}
}
