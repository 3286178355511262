// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// assess judges what runs and keeps the result in the object's status.
func (r *Reconciler) assess(ctx context.Context, d *v1alpha1.CSIDriverDeployment, rows []desired.Row) error {
	observed, err := r.gather(ctx, d)
	if err != nil {
		return err
	}
	expect(observed, d.Status.Objects)
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
	found, err := r.workload(ctx, d, "Deployment", client.ObjectKey{Namespace: namespace, Name: names.Controller}, controller)
	if err != nil {
		return o, err
	}
	if found {
		o.Controller = controller
	}
	found, err = r.workload(ctx, d, "DaemonSet", client.ObjectKey{Namespace: namespace, Name: names.Node}, nodes)
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

// workload reads a workload and says whether it is there. The cache keeps the whole
// object, for the plan.
func (r *Reconciler) workload(ctx context.Context, d *v1alpha1.CSIDriverDeployment, kind string, key client.ObjectKey, into client.Object) (bool, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(kind))
	found, err := get(ctx, r.cache, key, u)
	if err != nil {
		return false, err
	}
	if !found {
		u = nil
	}
	if u = r.ledger.latest(d, plan.Ref{Kind: kind, Namespace: key.Namespace, Name: key.Name}, u); u == nil {
		return false, nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return false, fmt.Errorf("reading %s %s: %w", kind, key, err)
	}
	return true, nil
}

// expect makes known which generation of the workloads came of what was applied
// last: the cache may show an older one, whose status tells of an older template, and
// others cause newer ones that change nothing.
func expect(o health.Observed, applied []v1alpha1.ObjectStatus) {
	for _, a := range applied {
		switch {
		case a.Generation == 0:
		case a.Kind == "Deployment" && o.Controller != nil && o.Controller.UID == a.UID:
			o.Controller.Generation = a.Generation
		case a.Kind == "DaemonSet" && o.Nodes != nil && o.Nodes.UID == a.UID:
			o.Nodes.Generation = a.Generation
		}
	}
}
