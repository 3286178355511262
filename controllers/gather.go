// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
)

// assess judges what runs, after what was just applied, and keeps the result in
// the object's status.
func (r *Reconciler) assess(ctx context.Context, d *v1alpha1.CSIDriverDeployment, rows []desired.Row, applied apply.Report) error {
	observed, err := r.gather(ctx, d)
	if err != nil {
		return err
	}
	outdate(observed, applied)
	keep(d, health.Assess(d.Name, rows, observed))
	return nil
}

// gather reads, from the cache, all that health looks at.
func (r *Reconciler) gather(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (health.Observed, error) {
	var (
		o          health.Observed
		controller = &appsv1.Deployment{}
		nodes      = &appsv1.DaemonSet{}
		pods       = &corev1.PodList{}
		csiNodes   = &storagev1.CSINodeList{}
		namespace  = desired.Namespace(d, r.facts)
		names      = desired.NamesOf(d.Name)
	)
	found, err := r.get(ctx, client.ObjectKey{Namespace: namespace, Name: names.Controller}, controller)
	if err != nil {
		return o, err
	}
	if found {
		o.Controller = controller
	}
	found, err = r.get(ctx, client.ObjectKey{Namespace: namespace, Name: names.Node}, nodes)
	if err != nil {
		return o, err
	}
	if found {
		o.Nodes = nodes
	}
	err = r.client.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels(desired.Selector(d.Name)))
	if err != nil {
		return o, fmt.Errorf("listing the pods: %w", err)
	}
	if err := r.client.List(ctx, csiNodes); err != nil {
		return o, fmt.Errorf("listing CSINodes: %w", err)
	}
	o.Pods, o.CSINodes = pods.Items, csiNodes.Items
	return o, nil
}

// outdate makes known which workloads have a newer template than the cache has
// seen: their status tells of the old one.
func outdate(o health.Observed, applied apply.Report) {
	for _, a := range applied.Applied {
		switch {
		case a.Kind == "Deployment" && o.Controller != nil:
			o.Controller.Generation = max(o.Controller.Generation, a.Generation)
		case a.Kind == "DaemonSet" && o.Nodes != nil:
			o.Nodes.Generation = max(o.Nodes.Generation, a.Generation)
		}
	}
}

// get reads an object and says whether it is there.
func (r *Reconciler) get(ctx context.Context, key client.ObjectKey, into client.Object) (bool, error) {
	err := r.client.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %T %s: %w", into, key, err)
	}
	return true, nil
}
