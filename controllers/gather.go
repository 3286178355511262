// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/plan"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// parts are what of a driver is judged.
type parts struct {
	components []desired.Component
	rows       []desired.Row
	// ungranted says, by component, what rights it lacks.
	ungranted map[string]string
}

// assess judges what runs, keeps the result in the object's status, and tells where the
// driver is. It returns when there may be more to tell although nothing happens; 0 for
// never.
func (r *Reconciler) assess(ctx context.Context, d *v1alpha1.CSIDriverDeployment, p parts) (health.Presence, time.Duration, error) {
	observed, err := r.gather(ctx, d)
	if err != nil {
		return health.Presence{}, 0, err
	}
	namespace := desired.Namespace(d, r.facts)
	if observed.Leases, err = r.leases.of(ctx, d.Name, namespace, leaseNames(p.rows), toldUnled(d.Status.Sidecars)); err != nil {
		return health.Presence{}, 0, err
	}
	observed.Ungranted, observed.Stale = p.ungranted, d.Status.Nodes.Stale
	long, again := r.puzzled.overdue(d.Name, puzzles(health.Puzzles(p.components, observed)), toldUnwell(d.Status.Sidecars))
	observed.Hints = r.hintsOf(ctx, namespace, long)
	overdue, more := r.waits.overdue(d.Name, health.Waits(d.Name, p.components, p.rows, observed), toldOverdue(d.Status.Sidecars))
	observed.Overdue = overdue
	report := health.Assess(d.Name, p.components, p.rows, observed)
	keep(d, report)
	return report.Presence, sooner(again, more), nil
}

// leaseNames are by which the containers of rows elect leaders.
func leaseNames(rows []desired.Row) []string {
	var names []string
	for _, row := range rows {
		if row.Lease != "" {
			names = append(names, row.Lease)
		}
	}
	return names
}

// gather reads, from the cache, all that health looks at.
func (r *Reconciler) gather(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (health.Observed, error) {
	var (
		o         = health.Observed{Nodes: map[string]*appsv1.DaemonSet{}}
		pods      = &corev1.PodList{}
		csiNodes  = &storagev1.CSINodeList{}
		nodes     = &corev1.NodeList{}
		namespace = desired.Namespace(d, r.facts)
	)
	if err := r.addWorkloads(ctx, d, &o); err != nil {
		return o, err
	}
	err := r.client.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels(desired.Selector(d.Name)))
	if err != nil {
		return o, fmt.Errorf("listing the pods: %w", err)
	}
	if err := r.client.List(ctx, csiNodes); err != nil {
		return o, fmt.Errorf("listing CSINodes: %w", err)
	}
	if err := r.client.List(ctx, nodes); err != nil {
		return o, fmt.Errorf("listing nodes: %w", err)
	}
	o.Pods, o.CSINodes, o.NodeUIDs = pods.Items, csiNodes.Items, make(map[string]types.UID, len(nodes.Items))
	for i := range nodes.Items {
		o.NodeUIDs[nodes.Items[i].Name] = nodes.Items[i].UID
	}
	return o, nil
}

// addWorkloads reads the workloads of a driver. The cache keeps the whole objects, for the
// plan.
func (r *Reconciler) addWorkloads(ctx context.Context, d *v1alpha1.CSIDriverDeployment, o *health.Observed) error {
	for _, kind := range desired.KindsNamed("Deployment", "StatefulSet", "DaemonSet") {
		labelled, err := r.labelled(ctx, d.Name, kind)
		if err != nil {
			return err
		}
		cached := objects{}
		for i := range labelled {
			cached[plan.RefOf(&labelled[i])] = &labelled[i]
		}
		for _, u := range r.ledger.newest(d, kind.Kind, cached) {
			if err := addTo(o, expected(u, d.Status.Objects)); err != nil {
				return err
			}
		}
	}
	return nil
}

// addTo puts a workload where health looks for it.
func addTo(o *health.Observed, u *unstructured.Unstructured) error {
	var typed any
	switch u.GetKind() {
	case "Deployment":
		o.Controller = &appsv1.Deployment{}
		typed = o.Controller
	case "StatefulSet":
		o.StatefulSet = &appsv1.StatefulSet{}
		typed = o.StatefulSet
	default:
		pool := &appsv1.DaemonSet{}
		o.Nodes[u.GetLabels()[v1alpha1.LabelComponent]] = pool
		typed = pool
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
		return fmt.Errorf("reading %s: %w", plan.RefOf(u), err)
	}
	return nil
}

// expected is a workload with the generation that came of what was applied last: the
// cache may show an older one, whose status tells of an older template, and others cause
// newer ones that change nothing.
func expected(u *unstructured.Unstructured, applied []v1alpha1.ObjectStatus) *unstructured.Unstructured {
	for _, a := range applied {
		if a.Generation != 0 && a.UID == u.GetUID() {
			u = u.DeepCopy()
			u.SetGeneration(a.Generation)
		}
	}
	return u
}

// componentsOf are the components of which the status tells, for a spec that cannot be
// rendered: they still run.
func componentsOf(d *v1alpha1.CSIDriverDeployment) []desired.Component {
	var list []desired.Component
	for _, s := range d.Status.Sidecars {
		at := slices.IndexFunc(list, func(c desired.Component) bool { return c.Name == s.Component })
		if at < 0 {
			at = len(list)
			list = append(list, desired.Component{Name: s.Component, Kind: kindOf(d, s.Component)})
		}
		list[at].Registers = list[at].Registers || s.Name == sidecar.RegistrarContainer
	}
	return list
}

func kindOf(d *v1alpha1.CSIDriverDeployment, component string) string {
	if component != v1alpha1.ComponentController {
		return "DaemonSet"
	}
	if slices.ContainsFunc(d.Status.Objects, func(o v1alpha1.ObjectStatus) bool { return o.Kind == "StatefulSet" }) {
		return "StatefulSet"
	}
	return "Deployment"
}
