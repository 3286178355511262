// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// foreignClass is a class that somebody else has made, and ours of the same name, of a
// driver that exists and installs nothing.
func foreignClass(t *testing.T) (theirs *storagev1.StorageClass, ours *unstructured.Unstructured) {
	t.Helper()
	d := driver(t, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.ManagementState = v1alpha1.PlanOnly
		d.Spec.StorageClasses = []v1alpha1.StorageClass{}
	})
	create(t, d)
	theirs = &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)}, Provisioner: "theirs.example.com"}
	ours = &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "theirs.example.com", "allowVolumeExpansion": true,
	}}
	ours.SetName(theirs.Name)
	ours.SetLabels(desired.Selector(d.Name))
	return theirs, ours
}

// TestReplacedObjectIsNotOverwritten: an object that took the place of the one that was
// looked at is not ours, whichever way the API server says so.
func TestReplacedObjectIsNotOverwritten(t *testing.T) {
	t.Parallel()
	theirs, ours := foreignClass(t)
	live := ours.DeepCopy()
	live.SetUID("of-the-former-one")
	changes := plan.Plan{{Ref: plan.RefOf(ours), Action: plan.Heal, Step: desired.StepWorkloads, Intent: ours, Live: live}}
	applier := apply.New(cluster.Client, cluster.Client)
	if _, err := applier.Apply(t.Context(), changes); !outdated(err) {
		t.Errorf("of one that is gone: %v, want a conflict that is tried again", err)
	}
	create(t, theirs)
	if _, err := applier.Apply(t.Context(), changes); !outdated(err) {
		t.Errorf("of one that was replaced: %v, want a conflict that is tried again", err)
	}
	now := &storagev1.StorageClass{}
	read(t, client.ObjectKeyFromObject(theirs), now)
	if diff := cmp.Diff(theirs, now); diff != "" {
		t.Errorf("the other one was changed: -before, +after:\n%s", diff)
	}
}

// TestGivenBack: what came up after the plan was made is theirs again, also where the API
// server does not answer for a while.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	theirs, ours := foreignClass(t)
	create(t, theirs)
	attempts := 0
	flaky, err := client.NewWithWatch(cluster.config, client.Options{Scheme: cluster.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	server := interceptor.NewClient(flaky, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			if attempts++; attempts > 1 && attempts < 4 {
				return errors.New("connection refused")
			}
			return c.Apply(ctx, o, options...)
		},
	})
	_, err = apply.New(server, server).Apply(t.Context(), plan.Plan{{Ref: plan.RefOf(ours), Action: plan.Create, Step: desired.StepWorkloads, Intent: ours}})
	var conflict *apply.ConflictError
	if !errors.As(err, &conflict) || apierrors.IsConflict(err) || attempts != 4 {
		t.Errorf("error %v after %d requests, want a conflict with somebody's object after 4", err, attempts)
	}
	now := &storagev1.StorageClass{}
	read(t, client.ObjectKeyFromObject(theirs), now)
	if now.Labels[v1alpha1.LabelDeployment] != "" || now.AllowVolumeExpansion != nil {
		t.Errorf("it is not theirs again: %+v", now)
	}
}
