// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// asked passes what users do to a CSIDriverDeployment, and not what the
// operator does: its status, and the finalizer unless someone takes it away.
func asked() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			len(e.ObjectNew.GetFinalizers()) < len(e.ObjectOld.GetFinalizers())
	}}
}

// altered passes updates that change something which the cache keeps.
func altered() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := unversioned(e.ObjectOld), unversioned(e.ObjectNew)
		return !equality.Semantic.DeepEqual(was, is)
	}}
}

func unversioned(o client.Object) client.Object {
	c, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return o
	}
	c.SetResourceVersion("")
	return c
}

// noticed passes what changes an object that the operator applies, and lets the
// ledger know of what is gone.
func (r *Reconciler) noticed() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: altered().Update,
		DeleteFunc: func(e event.DeleteEvent) bool {
			r.ledger.gone(e.Object)
			return true
		},
	}
}

// born passes creations and deletions, and the beginning of a deletion.
func born() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}}
}

// ended passes deletions only.
func ended() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}
