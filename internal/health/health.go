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
	// NodeUIDs are the nodes of the cluster by name; none where they are not known.
	NodeUIDs map[string]types.UID
	// Stale are the nodes of which the status tells that they are.
	Stale []string
	// Leases by name; a Lease that is missing here is not judged.
	Leases map[string]Lease
	// Ungranted says, by component, which of its rights are not granted.
	Ungranted map[string]string
	// Overdue has the keys of those Waits that have lasted too long.
	Overdue map[string]bool
	// Hints are what is known of Puzzles.
	Hints map[types.UID]Hint
}

// Report is the part of a status that health decides, and what else it found.
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
	// Presence is no part of a status.
	Presence Presence
}

// Assess judges the components of the given driver and the containers in rows.
func Assess(driver string, components []desired.Component, rows []desired.Row, o Observed) Report {
	views, known := viewsOf(driver, components, rows, o)
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
			pools = append(pools, poolOf(views[c.Name]))
		}
		if c.Name == v1alpha1.ComponentController {
			r.Controller = workloadStatus(views[c.Name])
		}
	}
	r.Nodes = addUp(pools)
	r.Nodes.Stale = stale(components, pools, o, known)
	r.Presence = presenceOf(components, pools, o)
	r.Conditions = []metav1.Condition{
		controllerAvailable(views, r.Controller, r.Sidecars),
		nodesRegistered(views, pools, r.Nodes),
		sidecarsHealthy(others, spared),
	}
	return r
}

// viewsOf are the workloads of the components with their pods, by component, and what
// CSINodes say of the driver.
func viewsOf(driver string, components []desired.Component, rows []desired.Row, o Observed) (map[string]view, registry) {
	views, known := map[string]view{}, registryOf(driver, o)
	for _, c := range components {
		v := workloadView(c, o)
		v.component, v.driver, v.kubeletRoot = c.Name, driver, c.KubeletRoot
		v.live, v.dead = podsOf(c.Name, o.Pods)
		v.registry, v.hints, v.overdue = known, o.Hints, o.Overdue
		v.uids = o.NodeUIDs
		v.leases, v.ungranted = o.Leases, o.Ungranted[c.Name]
		for _, row := range rows {
			if row.Component == c.Name {
				v.containers = append(v.containers, row.Name)
			}
		}
		views[c.Name] = v
	}
	return views, known
}
