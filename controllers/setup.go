// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

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
func Add(ctx context.Context, mgr manager.Manager, facts desired.Facts) error {
	r, err := newReconciler(mgr, facts)
	if err != nil {
		return err
	}
	return r.addTo(ctx, mgr)
}

func newReconciler(mgr manager.Manager, facts desired.Facts) (*Reconciler, error) {
	server, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("preparing to read the version of Kubernetes: %w", err)
	}
	watcher, err := client.NewWithWatch(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("preparing to watch Leases: %w", err)
	}
	return &Reconciler{
		client:   mgr.GetClient(),
		cache:    mgr.GetCache(),
		live:     mgr.GetAPIReader(),
		ledger:   newLedger(),
		applier:  apply.New(mgr.GetClient(), mgr.GetAPIReader()),
		recorder: mgr.GetEventRecorder(name),
		facts:    facts,
		optional: newOptional(mgr),
		leases:   newLeases(leaseWatch(watcher)),
		tainted:  newTainted(),

		kubernetes: &kubernetes{server: server},
		pace:       newPace(),
		puzzled:    newWaits(askAgain),
		waits:      newWaits(0),
		snapshots:  newWaits(0),
		classes:    newWaits(askAgain),
	}, nil
}

func (r *Reconciler) addTo(ctx context.Context, mgr manager.Manager) error {
	var err error
	if r.facts.OpenShift, err = onOpenShift(mgr.GetRESTMapper()); err != nil {
		return err
	}
	if err := mgr.Add(manager.RunnableFunc(r.followUpgrades)); err != nil {
		return fmt.Errorf("adding the look for upgrades: %w", err)
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
	main, err := b.Build(reconcile.Func(r.reconcileByName))
	if err != nil {
		return fmt.Errorf("adding the controller: %w", err)
	}
	if err := main.Watch(source.Channel(r.leases.changed, handler.EnqueueRequestsFromMapFunc(toItself))); err != nil {
		return fmt.Errorf("watching for changes of Leases: %w", err)
	}
	r.leases.begin(ctx)
	return r.watchOptional(ctx, mgr, main)
}

// watchOwned brings back what is taken away or edited, and tells how it does.
func (r *Reconciler) watchOwned(b *builder.Builder) {
	owner := handler.EnqueueRequestsFromMapFunc(toOwner)
	for _, kind := range desired.Kinds() {
		if slices.Contains(desired.OptionalKinds(), kind) {
			continue // see optional
		}
		mapped := owner
		switch {
		case kind.Kind == "CSIDriver":
			mapped = handler.EnqueueRequestsFromMapFunc(r.toClaimants(wantsDriver))
		case desired.IsClass(kind.Kind):
			mapped = handler.EnqueueRequestsFromMapFunc(r.toClaimants(wantsClass))
		}
		b.Watches(bare(kind), mapped, builder.WithPredicates(r.noticed()))
	}
	b.Watches(&corev1.Pod{}, owner, builder.WithPredicates(altered()))
}

// watchOthers looks at what drivers depend on and do not own.
func (r *Reconciler) watchOthers(b *builder.Builder) {
	b.WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.toResidents), builder.WithPredicates(born()))
	b.Watches(&storagev1.CSINode{}, r.registrations())
	b.Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.toAll), builder.WithPredicates(born()))
	b.Watches(&corev1.Node{}, r.taintings())
	b.Watches(&v1alpha1.CSIDriverDeployment{}, handler.EnqueueRequestsFromMapFunc(r.toRivals), builder.WithPredicates(ended()))
	b.Watches(&corev1.PersistentVolume{}, handler.EnqueueRequestsFromMapFunc(r.toWaiting), builder.WithPredicates(born()))
	b.Watches(&storagev1.VolumeAttachment{}, handler.EnqueueRequestsFromMapFunc(r.toWaiting), builder.WithPredicates(born()))
}
