// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/test/bench/cluster"
)

// crowdNamespace holds the foreign pods.
const crowdNamespace = "crowd"

// crowd makes the cluster a large one: nodes, each with a CSINode, and pods that are
// none of ours.
func (b *bench) crowd(ctx context.Context) error {
	tell("making %d nodes", b.nodes)
	err := cluster.Each(b.nodes, func(i int) error {
		name := crowdNode(i)
		if err := b.cluster.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			corev1.LabelHostname: name, corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3),
		}}}); err != nil {
			return err
		}
		return b.cluster.Create(ctx, foreignCSINode(name))
	})
	if err != nil {
		return fmt.Errorf("making nodes: %w", err)
	}
	return b.foreignPods(ctx, func(i int) string { return crowdNode(i % b.nodes) })
}

// foreignPods makes pods that are none of ours, on the nodes that are given.
func (b *bench) foreignPods(ctx context.Context, node func(int) string) error {
	tell("making %d foreign pods", b.pods)
	if err := b.cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: crowdNamespace}}); err != nil {
		return fmt.Errorf("making a namespace: %w", err)
	}
	err := cluster.Each(b.pods, func(i int) error { return b.cluster.Create(ctx, foreignPod(i, node(i))) })
	if err != nil {
		return fmt.Errorf("making pods: %w", err)
	}
	return nil
}

func crowdNode(i int) string { return fmt.Sprintf("crowd-%04d.example.com", i) }

// foreignCSINode lists two drivers of others.
func foreignCSINode(name string) *storagev1.CSINode {
	n := csiNode(name)
	for _, d := range []string{"disk.csi.example.com", "file.csi.example.com"} {
		n.Spec.Drivers = append(n.Spec.Drivers, storagev1.CSINodeDriver{
			Name: d, NodeID: name, TopologyKeys: []string{"topology." + d + "/zone"}, Allocatable: &storagev1.VolumeNodeResources{Count: new(int32(24))},
		})
	}
	return n
}

// foreignPod is a pod of some application.
func foreignPod(i int, node string) *corev1.Pod {
	app := fmt.Sprintf("app-%d", i%100)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: crowdNamespace, Name: fmt.Sprintf("%s-%05d", app, i), Labels: map[string]string{"app.kubernetes.io/name": app},
		},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "app", Image: "registry.example.com/" + app + ":v1", Args: []string{"--listen=:8080"},
			Env: []corev1.EnvVar{{Name: "MODE", Value: "production"}},
		}}},
	}
}
