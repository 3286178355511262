// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// sweepOnce does what a worker of the operator does when a deployment is gone, and returns
// when it will look again.
func sweepOnce(t *testing.T, d *v1alpha1.CSIDriverDeployment) time.Duration {
	t.Helper()
	request := reconcile.Request{NamespacedName: types.NamespacedName{Name: d.Name}}
	result, err := cluster.operator.reconciler.reconcileByName(asWorker(t, d), request)
	if err != nil {
		t.Fatal(err)
	}
	return result.RequeueAfter
}

// TestLeftBehind: what carries the label of a deployment that does not exist goes as if
// it had just been deleted, and stays as long as volumes need it.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	d := driver(t)
	createNamespace(t, d.Spec.Namespace)
	pv := volume(d.Name)
	create(t, pv)
	awaitCached(t, pv)
	all := former(d)
	for _, o := range all {
		applyAsOperator(t, o)
	}
	copied := former(d)[1] // by somebody who left our label on it
	copied.SetName(copied.GetName() + "-copy")
	create(t, copied)
	await(t, "the operator knows of it", func() error {
		left, err := cluster.operator.reconciler.leftBehind(t.Context(), d.Name)
		if err == nil && !left {
			err = errors.New("not yet")
		}
		return err
	})
	if again := sweepOnce(t, d); again == 0 { // no watch tells of volumes of what does not exist
		t.Error("nobody looks at it again when the volume is gone")
	}
	for _, o := range all {
		if stillThere(t, o) == nil {
			t.Errorf("%T went in spite of a volume", o)
		}
	}
	removeUnprotected(t, pv)
	awaitGone(t, pv)
	await(t, "it is gone", func() error {
		sweepOnce(t, d)
		return stillThere(t, all[2])
	})
	if left := owned(t, d.Name); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRolesAloneAreLeft, as a release may have left them.
func TestRolesAloneAreLeft(t *testing.T) {
	t.Parallel()
	d := driver(t)
	createNamespace(t, d.Spec.Namespace)
	role := former(d)[2]
	awaitShown(t, applyAsOperator(t, role))
	sweepOnce(t, d)
	if stillThere(t, role) == nil {
		t.Error("the role went")
	}
}
