// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A claim of a class that binds at once gets its volume without a pod, and the
// volume goes to any node.
func TestImmediateBinding(t *testing.T) {
	d := sharedDeployment(t)
	c := claim("immediate", d.Name+"-immediate", "64Mi")
	create(t, c)
	await(t, "claim is bound without a pod", func(ctx context.Context) error {
		if err := refetch(ctx, c); err != nil {
			return err
		}
		if c.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("it is %s", c.Status.Phase)
		}
		return nil
	})
	first := started(t, "immediate-b", shared.nodeB, c, idle)
	mustPodExec(t, first, "sh", "-c", "echo content >/data/file && sync")
	remove(t, first)
	second := started(t, "immediate-a", shared.nodeA, c, idle)
	if got := mustPodExec(t, second, "cat", "/data/file"); got != "content" {
		t.Errorf("file holds %q on the other node", got)
	}
}
