// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// toOwner maps an object to the driver that its label names.
func toOwner(_ context.Context, o client.Object) []reconcile.Request {
	return request(o.GetLabels()[v1alpha1.LabelDeployment])
}

func request(driver string) []reconcile.Request {
	if driver == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: driver}}}
}

// toClaimants maps a CSIDriver or StorageClass, whoever it belongs to, to its
// owner and to the drivers that want an object of that name.
func (r *Reconciler) toClaimants(wants func(*v1alpha1.CSIDriverDeployment, string) bool) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		owner := o.GetLabels()[v1alpha1.LabelDeployment]
		return append(request(owner), r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool {
			return d.Name != owner && wants(d, o.GetName())
		})...)
	}
}

func wantsDriver(d *v1alpha1.CSIDriverDeployment, name string) bool { return d.Name == name }

// wantsClass tells whether a driver has a class of that name, of whatever kind.
func wantsClass(d *v1alpha1.CSIDriverDeployment, name string) bool {
	spec := d.Spec
	return spec.StorageClasses == nil && d.Name == name ||
		slices.ContainsFunc(spec.StorageClasses, func(c v1alpha1.StorageClass) bool { return c.Name == name }) ||
		slices.ContainsFunc(spec.VolumeSnapshotClasses, func(c v1alpha1.VolumeSnapshotClass) bool { return c.Name == name }) ||
		slices.ContainsFunc(spec.VolumeGroupSnapshotClasses, func(c v1alpha1.VolumeGroupSnapshotClass) bool { return c.Name == name }) ||
		slices.ContainsFunc(spec.VolumeAttributesClasses, func(c v1alpha1.VolumeAttributesClass) bool { return c.Name == name })
}

// toResidents maps a namespace to the drivers whose pods are to be there.
func (r *Reconciler) toResidents(ctx context.Context, o client.Object) []reconcile.Request {
	return r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool {
		return desired.Namespace(d, r.facts) == o.GetName()
	})
}

// toWaiting maps a volume or attachment to its driver while that is being deleted, or
// while something of it is to go: nobody else looks at volumes.
func (r *Reconciler) toWaiting(ctx context.Context, o client.Object) []reconcile.Request {
	var driver string
	switch v := o.(type) {
	case *corev1.PersistentVolume:
		if v.Spec.CSI != nil {
			driver = v.Spec.CSI.Driver
		}
	case *storagev1.VolumeAttachment:
		driver = v.Spec.Attacher
	}
	if driver == "" {
		return nil
	}
	return r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool {
		return d.Name == driver && (!d.DeletionTimestamp.IsZero() || meta.IsStatusConditionTrue(d.Status.Conditions, v1alpha1.ConditionChangeBlocked))
	})
}

// toAll maps an object to all drivers.
func (r *Reconciler) toAll(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.toDrivers(ctx, func(*v1alpha1.CSIDriverDeployment) bool { return true })
}

// toDrivers are the requests of all drivers that are chosen.
func (r *Reconciler) toDrivers(ctx context.Context, chosen func(*v1alpha1.CSIDriverDeployment) bool) []reconcile.Request {
	list := &v1alpha1.CSIDriverDeploymentList{}
	if err := r.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil { // they are only looked at
		log.FromContext(ctx).Error(err, "Mapping an event to drivers") // nobody to return it to
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		if chosen(&list.Items[i]) {
			out = append(out, request(list.Items[i].Name)...)
		}
	}
	return out
}

// registrations wakes the drivers that came to or went from a CSINode, and no
// other driver of the node.
func (r *Reconciler) registrations() handler.Funcs {
	wake := func(ctx context.Context, changed map[string]bool, q queue) {
		if len(changed) == 0 {
			return
		}
		for _, req := range r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool { return changed[d.Name] }) {
			q.Add(req)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			wake(ctx, registered(e.Object), q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			wake(ctx, registered(e.Object), q)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			changed, now := registered(e.ObjectOld), registered(e.ObjectNew)
			for name := range now {
				if changed[name] {
					delete(changed, name)
				} else {
					changed[name] = true
				}
			}
			wake(ctx, changed, q)
		},
	}
}

// registered are the drivers that a CSINode lists.
func registered(o client.Object) map[string]bool {
	names := map[string]bool{}
	if n, ok := o.(*storagev1.CSINode); ok {
		for _, d := range n.Spec.Drivers {
			names[d.Name] = true
		}
	}
	return names
}

// taintings wakes the drivers whose startup taint a node has when its taints have changed.
// That a node comes wakes all drivers, and that it loses a taint none.
func (r *Reconciler) taintings() handler.Funcs {
	return handler.Funcs{UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
		was, is := taintsOf(e.ObjectOld), taintsOf(e.ObjectNew)
		if len(is) == 0 || equality.Semantic.DeepEqual(was, is) {
			return
		}
		for _, req := range r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool { return looksAfter(d, is) }) {
			q.Add(req)
		}
	}}
}

func taintsOf(o client.Object) []corev1.Taint {
	if n, ok := o.(*corev1.Node); ok {
		return n.Spec.Taints
	}
	return nil
}

// looksAfter tells whether one of the taints is, or was, the startup taint of a driver.
func looksAfter(d *v1alpha1.CSIDriverDeployment, taints []corev1.Taint) bool {
	return slices.ContainsFunc(taints, func(t corev1.Taint) bool {
		return t.Key == desired.StartupTaint(d) || t.Key == d.Status.Nodes.StartupTaint
	})
}
