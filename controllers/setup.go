// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
)

const (
	// name is the controller's in logs, metrics and events.
	name = "csi-operator"
	// workers is how many drivers are reconciled at once.
	workers = 8
	// firstRetry and lastRetry bound the wait after an error, which doubles.
	firstRetry = 20 * time.Millisecond
	lastRetry  = time.Minute
)

// Scheme knows every kind that the operator reads or writes.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		return nil, fmt.Errorf("registering the kinds of Kubernetes: %w", err)
	}
	if err := v1alpha1.AddToScheme(s); err != nil {
		return nil, fmt.Errorf("registering the kinds of %s: %w", v1alpha1.GroupVersion, err)
	}
	return s, nil
}

// Add adds the controller to a manager whose scheme is Scheme and whose cache
// has CacheOptions.
func Add(mgr manager.Manager, facts desired.Facts) error {
	r := &Reconciler{
		client:   mgr.GetClient(),
		live:     mgr.GetAPIReader(),
		applier:  apply.New(mgr.GetClient(), mgr.GetAPIReader()),
		recorder: mgr.GetEventRecorder(name),
		facts:    facts,
	}
	b := builder.ControllerManagedBy(mgr).
		Named(name).
		For(&v1alpha1.CSIDriverDeployment{}, builder.WithPredicates(asked())).
		WithOptions(controller.Options{
			EnableWarmup:            new(true), // a new leader finds its cache filled
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		})
	r.watchOwned(b)
	r.watchOthers(b)
	if err := b.Complete(reconcile.AsReconciler(mgr.GetClient(), r)); err != nil {
		return fmt.Errorf("adding the controller: %w", err)
	}
	return nil
}

// watchOwned brings back what is taken away or edited, and tells how it does.
func (r *Reconciler) watchOwned(b *builder.Builder) {
	owner := handler.EnqueueRequestsFromMapFunc(toOwner)
	for _, o := range []client.Object{&appsv1.Deployment{}, &appsv1.DaemonSet{}, &corev1.Pod{}} {
		b.Watches(o, owner, builder.WithPredicates(altered()))
	}
	for _, o := range []client.Object{
		&corev1.ServiceAccount{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}, &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{},
	} {
		b.WatchesMetadata(o, owner, builder.WithPredicates(unseen()))
	}
	b.WatchesMetadata(&storagev1.CSIDriver{}, handler.EnqueueRequestsFromMapFunc(r.toClaimants(wantsDriver)),
		builder.WithPredicates(unseen()))
	b.WatchesMetadata(&storagev1.StorageClass{}, handler.EnqueueRequestsFromMapFunc(r.toClaimants(wantsClass)),
		builder.WithPredicates(unseen()))
}

// watchOthers looks at what drivers depend on and do not own.
func (r *Reconciler) watchOthers(b *builder.Builder) {
	b.WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.toResidents), builder.WithPredicates(born()))
	b.Watches(&storagev1.CSINode{}, r.registrations())
	b.Watches(&v1alpha1.CSIDriverDeployment{}, handler.EnqueueRequestsFromMapFunc(r.toRivals), builder.WithPredicates(ended()))
	b.Watches(&corev1.PersistentVolume{}, handler.EnqueueRequestsFromMapFunc(r.toDeleted), builder.WithPredicates(born()))
	b.Watches(&storagev1.VolumeAttachment{}, handler.EnqueueRequestsFromMapFunc(r.toDeleted), builder.WithPredicates(born()))
}
