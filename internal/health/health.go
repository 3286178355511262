// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package health judges how a deployed driver does.
//
// It is pure: workloads, pods and CSINodes go in, rows, counts and conditions
// come out. Nothing in the result moves while nothing changes: no restart
// counts, no back-off times, no clock.
package health

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// Observed is what the cluster shows of one driver. Assess changes nothing of
// it, so it may be shared with a cache.
type Observed struct {
	// Controller or StatefulSet runs the controller pods; nil while it does not exist.
	Controller  *appsv1.Deployment
	StatefulSet *appsv1.StatefulSet
	// Nodes are the workloads of the node pools that exist.
	Nodes map[string]*appsv1.DaemonSet
	// Pods of all workloads, in any order. Pods that are being deleted are
	// left out by Assess.
	Pods []corev1.Pod
	// CSINodes of the whole cluster, in any order.
	CSINodes []storagev1.CSINode
	// Hints are what is known of Puzzles.
	Hints map[types.UID]Hint
}

// Report is the part of a status that health decides.
type Report struct {
	Controller v1alpha1.WorkloadStatus
	Nodes      v1alpha1.NodesStatus
	// Sidecars has one row for each row given, in that order.
	Sidecars []v1alpha1.SidecarStatus
	// SidecarSummary is "healthy/all" rows.
	SidecarSummary string
	// Conditions are ControllerAvailable, NodesRegistered and SidecarsHealthy,
	// without generation and time.
	Conditions []metav1.Condition
}

// Assess judges the components of the given driver and the containers in rows.
func Assess(driver string, components []desired.Component, rows []desired.Row, o Observed) Report {
	views, listed := viewsOf(components, o), nodesListing(driver, o.CSINodes)
	for name, v := range views {
		v.listed, v.hints = listed, o.Hints
		views[name] = v
	}
	var (
		r      Report
		spared []v1alpha1.SidecarStatus
		others []v1alpha1.SidecarStatus
	)
	r.Sidecars = make([]v1alpha1.SidecarStatus, 0, len(rows))
	for _, row := range rows {
		a := assessRow(row, views[row.Component])
		r.Sidecars = append(r.Sidecars, a.SidecarStatus)
		if a.spared {
			spared = append(spared, a.SidecarStatus)
		} else {
			others = append(others, a.SidecarStatus)
		}
	}
	r.SidecarSummary = fmt.Sprintf("%d/%d", countHealthy(r.Sidecars), len(r.Sidecars))
	var pools []pool
	for _, c := range components {
		if c.Registers {
			pools = append(pools, pool{view: views[c.Name], nodes: nodesOf(views[c.Name])})
		}
		if c.Name == v1alpha1.ComponentController {
			r.Controller = workloadStatus(views[c.Name])
		}
	}
	r.Nodes = addUp(pools)
	r.Conditions = []metav1.Condition{
		controllerAvailable(views, r.Controller, r.Sidecars),
		nodesRegistered(driver, pools),
		sidecarsHealthy(others, spared),
	}
	return r
}

// viewsOf are the workloads of the components with their pods, by component.
func viewsOf(components []desired.Component, o Observed) map[string]view {
	views := map[string]view{}
	for _, c := range components {
		v := workloadView(c, o)
		v.live, v.dead = podsOf(c.Name, o.Pods)
		views[c.Name] = v
	}
	return views
}
