// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// acquainted tells whether this replica has looked at the cluster since it began to work.
type acquainted struct {
	mu   sync.Mutex
	done bool
}

// acquaint looks, before the first reconcile, at what may have changed while this replica
// stood by: the release of Kubernetes, and which optional kinds there are. By old knowledge
// every driver would be rolled, and rolled back a moment later.
func (r *Reconciler) acquaint(ctx context.Context) error {
	r.acquainted.mu.Lock()
	defer r.acquainted.mu.Unlock()
	if r.acquainted.done {
		return nil
	}
	ctx = log.IntoContext(ctx, log.Log) // it is not about one driver
	if _, err := r.kubernetes.look(); err != nil {
		return err
	}
	for _, kind := range optionalKinds() {
		if err := r.lookAgain(ctx, kind); err != nil {
			return err
		}
	}
	r.acquainted.done = true
	return nil
}

// lookAgain looks whether an optional kind has come or gone: no event tells of a
// CustomResourceDefinition that is gone already. What the operator may not list it goes
// without, as at its start.
func (r *Reconciler) lookAgain(ctx context.Context, kind schema.GroupVersionKind) error {
	if crd := crdOf(kind); crd != "" {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(crdKind.GroupVersion().WithKind(crdKind.Kind + "List"))
		if err := r.live.List(ctx, list, client.MatchingFields{"metadata.name": crd}); err != nil {
			return fmt.Errorf("looking for %s: %w", crd, err)
		}
		if len(list.Items) == 0 {
			_, err := r.optional.lose(ctx, kind)
			return err
		}
	}
	_, err := r.optional.look(ctx, kind)
	if apierrors.IsForbidden(err) {
		log.FromContext(ctx).Error(err, "An optional kind is not used", "kind", kind.String())
		return nil
	}
	return err
}
