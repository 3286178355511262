// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestVolumesWorkWhileTheOperatorIsStopped(t *testing.T) {
	d := sharedDeployment(t)
	scaleOperator(t, 0)
	t.Cleanup(func() { scaleOperator(t, 2) })

	c := claim("unattended", classOf(d), "64Mi")
	create(t, c)
	p := started(t, "unattended", shared.nodeA, c, idle)
	mustPodExec(t, p, "sh", "-c", "echo kept >/data/file && sync")
	get(t, c)
	pv := pvOf(t, c)
	remove(t, p)
	await(t, "volume is detached without the operator", detached(pv))

	again := started(t, "unattended-again", shared.nodeB, c, idle)
	if got := mustPodExec(t, again, "cat", "/data/file"); got != "kept" {
		t.Errorf("file holds %q, want kept", got)
	}
}

// scaleOperator sets the operator's replicas and awaits that its pods follow.
func scaleOperator(t *testing.T, replicas int32) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var op appsv1.Deployment
	op.Namespace, op.Name = operatorNamespace, "csi-operator"
	if err := refetch(ctx, &op); err != nil {
		t.Fatalf("reading the operator: %v", err)
	}
	patch := client.MergeFrom(op.DeepCopy())
	op.Spec.Replicas = new(replicas)
	if err := shared.Patch(ctx, &op, patch); err != nil {
		t.Fatalf("scaling the operator: %v", err)
	}
	awaitWith(ctx, t, fmt.Sprintf("operator has %d pods", replicas), func(ctx context.Context) error {
		var pods corev1.PodList
		if err := shared.List(ctx, &pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/name": "csi-operator"}); err != nil {
			return err
		}
		ready := int32(0)
		for i := range pods.Items {
			if podReady(&pods.Items[i]) {
				ready++
			}
		}
		if ready != replicas || len(pods.Items) != int(replicas) {
			return fmt.Errorf("%d of %d pods are ready", ready, len(pods.Items))
		}
		return nil
	})
}
