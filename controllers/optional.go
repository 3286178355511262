// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// optional are the kinds that not every cluster has. Each is watched as long as the
// cluster has it: a watch of a kind that is not there would keep the cache from ever
// being filled.
type optional struct {
	mapper meta.RESTMapper
	cache  cache.Cache
	live   client.Reader
	// watch begins to watch a kind.
	watch func(kind schema.GroupVersionKind) error
	// changed wakes drivers when a kind comes or goes.
	changed chan event.GenericEvent

	mu      sync.RWMutex
	watched map[schema.GroupVersionKind]bool
}

func newOptional(mgr manager.Manager) *optional {
	return &optional{
		mapper: mgr.GetRESTMapper(), cache: mgr.GetCache(), live: mgr.GetAPIReader(),
		changed: make(chan event.GenericEvent), watched: map[schema.GroupVersionKind]bool{},
	}
}

// kinds are all kinds that the cluster has and the operator makes.
func (o *optional) kinds() []schema.GroupVersionKind {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.DeleteFunc(desired.Kinds(), func(k schema.GroupVersionKind) bool {
		return slices.Contains(desired.OptionalKinds(), k) && !o.watched[k]
	})
}

// served is what Render has to know of it.
func (o *optional) served() desired.Served {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return desired.ServedOf(func(k schema.GroupVersionKind) bool { return o.watched[k] })
}

// has tells whether the cluster has a kind.
func (o *optional) has(kind schema.GroupVersionKind) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.watched[kind]
}

// look begins to watch a kind if the cluster has it, and tells whether that is news. One
// that cannot be listed is not watched: every read of it would wait for ever.
func (o *optional) look(ctx context.Context, kind schema.GroupVersionKind) (news bool, err error) {
	_, err = o.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	switch {
	case meta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for %s: %w", kind, err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := o.live.List(ctx, list, client.Limit(1)); err != nil {
		return false, fmt.Errorf("listing every %s: %w", kind.Kind, err)
	}
	return o.switchTo(kind, true, func() error { return o.watch(kind) })
}

// lose ends to watch a kind whose CustomResourceDefinition is gone, and tells whether
// that is news.
func (o *optional) lose(ctx context.Context, kind schema.GroupVersionKind) (news bool, err error) {
	return o.switchTo(kind, false, func() error { return o.cache.RemoveInformer(ctx, bare(kind)) })
}

func (o *optional) switchTo(kind schema.GroupVersionKind, watched bool, do func() error) (news bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if watched == o.watched[kind] {
		return false, nil
	}
	if err := do(); err != nil {
		return false, fmt.Errorf("watching %s: %w", kind, err)
	}
	o.watched[kind] = watched
	log.Log.Info("An optional kind has come or gone", "kind", kind.String(), "served", watched)
	return true, nil
}

func bare(kind schema.GroupVersionKind) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	return u
}

// crdKind is the kind by which others come and go.
var crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// watchOptional looks for the optional kinds at the start, and whenever their
// CustomResourceDefinition changes.
func (r *Reconciler) watchOptional(ctx context.Context, mgr manager.Manager, main controller.Controller) error {
	r.optional.watch = func(kind schema.GroupVersionKind) error {
		mapped := handler.TypedEnqueueRequestsFromMapFunc(r.toClaimants(wantsClass))
		if !desired.IsClass(kind.Kind) {
			mapped = handler.TypedEnqueueRequestsFromMapFunc(r.toSnapshotting)
		}
		return main.Watch(source.Kind[client.Object](mgr.GetCache(), bare(kind), mapped, r.noticed()))
	}
	if err := main.Watch(source.Channel(r.optional.changed, handler.EnqueueRequestsFromMapFunc(toItself))); err != nil {
		return fmt.Errorf("watching for optional kinds: %w", err)
	}
	for _, kind := range optionalKinds() {
		if _, err := r.optional.look(ctx, kind); err != nil {
			log.Log.Error(err, "An optional kind is not used", "kind", kind.String())
		}
	}
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(crdKind)
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool { return len(optionalKindsOf(o.GetName())) > 0 })
	err := builder.ControllerManagedBy(mgr).Named(name+"-kinds").
		WatchesMetadata(crd, &handler.EnqueueRequestForObject{}, builder.WithPredicates(ours)).
		Complete(reconcile.Func(r.reconcileKind))
	if err != nil {
		return fmt.Errorf("watching CustomResourceDefinitions: %w", err)
	}
	return nil
}

// crdOf is the CustomResourceDefinition of a kind; empty for one of Kubernetes itself.
func crdOf(kind schema.GroupVersionKind) string {
	if kind.Group == storagev1.GroupName {
		return ""
	}
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	return plural.Resource + "." + kind.Group
}

// optionalKindsOf are the optional kinds of a CustomResourceDefinition.
func optionalKindsOf(crd string) []schema.GroupVersionKind {
	return slices.DeleteFunc(optionalKinds(), func(k schema.GroupVersionKind) bool {
		return crdOf(k) != crd
	})
}

// reconcileKind looks at the kind of a CustomResourceDefinition, and wakes every driver if
// it has come or gone: the sidecars depend on it as well as the classes.
func (r *Reconciler) reconcileKind(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(crdKind)
	there, err := get(ctx, r.client, request.NamespacedName, crd)
	if err != nil {
		return reconcile.Result{}, err
	}
	for _, kind := range optionalKindsOf(request.Name) {
		if err := r.turn(ctx, kind, there); err != nil {
			return reconcile.Result{}, err
		}
	}
	if there && time.Since(crd.CreationTimestamp.Time) < youngCRD && !r.serves(request.Name) {
		return reconcile.Result{RequeueAfter: afterLook}, nil
	}
	return reconcile.Result{}, nil
}

// turn looks at a kind whose CustomResourceDefinition is there, or is gone.
func (r *Reconciler) turn(ctx context.Context, kind schema.GroupVersionKind, there bool) (err error) {
	var news bool
	if there {
		news, err = r.optional.look(ctx, kind)
	} else {
		news, err = r.optional.lose(ctx, kind)
	}
	if err != nil || !news {
		return err
	}
	return r.wakeAll(ctx)
}

const (
	// youngCRD is how long an API server may take to serve a kind that is established: no
	// event tells when it does. A kind of an older CustomResourceDefinition is of another
	// version.
	youngCRD = 2 * time.Minute
	// afterLook is when a kind of a young CustomResourceDefinition is looked for again.
	afterLook = 2 * time.Second
)

// serves tells whether the kinds of a CustomResourceDefinition are watched.
func (r *Reconciler) serves(crd string) bool {
	return !slices.ContainsFunc(optionalKindsOf(crd), func(k schema.GroupVersionKind) bool { return !r.optional.has(k) })
}

// wakeAll has every driver reconciled.
func (r *Reconciler) wakeAll(ctx context.Context) error {
	for _, driver := range r.toAll(ctx, nil) {
		if err := wakeBy(ctx, r.optional.changed, driver.Name); err != nil {
			return err
		}
	}
	return nil
}

// wakeBy has a driver reconciled by a channel that is watched.
func wakeBy(ctx context.Context, changed chan<- event.GenericEvent, driver string) error {
	d := &v1alpha1.CSIDriverDeployment{}
	d.Name = driver
	select {
	case changed <- event.GenericEvent{Object: d}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func toItself(_ context.Context, o client.Object) []reconcile.Request { return request(o.GetName()) }
