// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// BenchmarkReconcile is what one reconcile asks of this package, of a driver on 2,000 nodes
// of which 100 fail.
func BenchmarkReconcile(b *testing.B) {
	const nodes, failing = 2000, 100
	o := Observed{Controller: deployment(2, 2), Nodes: pool1(daemonSet(nodes, nodes-failing)), NodeUIDs: map[string]types.UID{}}
	containers := []string{v1alpha1.DriverContainer, "node-driver-registrar", "liveness-probe"}
	rows := []desired.Row{{Component: v1alpha1.ComponentController, Name: "csi-provisioner"}}
	for _, name := range containers {
		rows = append(rows, desired.Row{Component: v1alpha1.DefaultNodePool, Name: name})
	}
	for i := range 2 {
		o.Pods = append(o.Pods, pod(fmt.Sprintf("c%d", i), v1alpha1.ComponentController, "", with(well("csi-provisioner")), wholeReady))
	}
	for i := range nodes {
		node := fmt.Sprintf("node-%04d", i*7919%nodes)
		p := pod("pod-of-"+node, v1alpha1.DefaultNodePool, node)
		for _, name := range containers {
			status := well(name)
			if i < failing && name == v1alpha1.DriverContainer {
				status = corev1.ContainerStatus{Name: name, State: waiting("CrashLoopBackOff", "")}
			}
			with(status)(&p)
		}
		if i >= failing {
			wholeReady(&p)
		}
		o.Pods, o.CSINodes, o.NodeUIDs[node] = append(o.Pods, p), append(o.CSINodes, csiNode(node, "other", driver)), types.UID(node)
	}
	b.ReportAllocs()
	for b.Loop() {
		Puzzles(both(), o)
		Waits(driver, both(), rows, o)
		if r := Assess(driver, both(), rows, o); r.Nodes.Registered != nodes-failing {
			b.Fatalf("%d nodes have registered the driver", r.Nodes.Registered)
		}
	}
}
