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

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// Observed is what the cluster shows of one driver. Assess changes nothing of
// it, so it may be shared with a cache.
type Observed struct {
	// Controller and Nodes are nil while the workload does not exist.
	Controller *appsv1.Deployment
	Nodes      *appsv1.DaemonSet
	// Pods of both workloads, in any order. Pods that are being deleted are
	// left out by Assess.
	Pods []corev1.Pod
	// CSINodes of the whole cluster, in any order.
	CSINodes []storagev1.CSINode
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

// Assess judges the containers in rows of the given driver.
func Assess(driver string, rows []desired.Row, o Observed) Report {
	controller := controllerView(o)
	nodes := nodeView(o)
	nodes.listed = nodesListing(driver, o.CSINodes)

	var (
		r      Report
		spared []v1alpha1.SidecarStatus
		others []v1alpha1.SidecarStatus
	)
	r.Sidecars = make([]v1alpha1.SidecarStatus, 0, len(rows))
	for _, row := range rows {
		v := nodes
		if row.Component == v1alpha1.ComponentController {
			v = controller
		}
		a := assessRow(row, v)
		r.Sidecars = append(r.Sidecars, a.SidecarStatus)
		if a.spared {
			spared = append(spared, a.SidecarStatus)
		} else {
			others = append(others, a.SidecarStatus)
		}
	}
	r.SidecarSummary = fmt.Sprintf("%d/%d", countHealthy(r.Sidecars), len(r.Sidecars))
	r.Controller = workloadStatus(controller)
	r.Nodes = nodesStatus(nodes)
	r.Conditions = []metav1.Condition{
		controllerAvailable(controller, r.Controller, r.Sidecars),
		nodesRegistered(driver, nodes, r.Nodes),
		sidecarsHealthy(others, spared),
	}
	return r
}
