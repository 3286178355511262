// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leaseWatch watches the Leases of one namespace at a time: the cache of the manager watches
// a kind in all of them, and each node renews one every ten seconds.
func leaseWatch(c client.WithWatch) watchLeases {
	return func(ctx context.Context, namespace string, sink *leaseSink) (cache.InformerSynced, error) {
		informer := cache.NewSharedIndexInformer(leasesOf(c, namespace, sink), &coordinationv1.Lease{}, 0, nil)
		if err := informer.SetTransform(stripLease); err != nil {
			return nil, err
		}
		registration, err := informer.AddEventHandler(sink.handler())
		if err != nil {
			return nil, err
		}
		go informer.RunWithContext(ctx)
		return registration.HasSynced, nil
	}
}

func leasesOf(c client.WithWatch, namespace string, sink *leaseSink) cache.ListerWatcher {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := &coordinationv1.LeaseList{}
			return list, c.List(ctx, list, &client.ListOptions{Namespace: namespace, Raw: &o})
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := c.Watch(ctx, &coordinationv1.LeaseList{}, &client.ListOptions{Namespace: namespace, Raw: &o})
			if err == nil {
				sink.resume()
			}
			return w, err
		},
	}
}

// handler passes what an informer tells to a sink.
func (s *leaseSink) handler() cache.ResourceEventHandler {
	put := func(obj any) {
		if o, ok := obj.(*coordinationv1.Lease); ok {
			s.put(o)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    put,
		UpdateFunc: func(_, obj any) { put(obj) },
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingObjectToName(obj); err == nil {
				s.remove(key.Name)
			}
		},
	}
}

// stripLease keeps who holds a Lease and when it was renewed.
func stripLease(obj any) (any, error) {
	o, ok := obj.(*coordinationv1.Lease)
	if !ok {
		return obj, nil
	}
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       o.Spec.HolderIdentity,
			LeaseDurationSeconds: o.Spec.LeaseDurationSeconds,
			RenewTime:            o.Spec.RenewTime,
		},
	}, nil
}
