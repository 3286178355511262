// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// A node where the shared file system is not mounted does not register, and the
// status names the node and the path.
func TestPoolMissingOnOneNode(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("hiding a pool from one node needs the local cluster's tool")
	}
	d := poolDeployment("missing.pool.csi-operator.io")
	path := d.Spec.Bundled.Path
	hide := "mkdir -p " + path + " && mount -t tmpfs none " + path
	if _, err := shared.nodes.exec(t.Context(), shared.nodeB, "sh", "-c", hide); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = shared.nodes.exec(context.WithoutCancel(t.Context()), shared.nodeB, "sh", "-c", "! mountpoint -q "+path+" || umount "+path)
	})
	d.Spec.Controller.Pod = &runtime.RawExtension{Raw: []byte(`{"nodeSelector":{"kubernetes.io/hostname":"` + shared.nodeA + `"}}`)}
	create(t, d)

	await(t, "status names the node and the path", func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		if !slices.Equal(d.Status.Nodes.Unregistered, []string{shared.nodeB}) {
			return fmt.Errorf("unregistered are %v, want [%s]", d.Status.Nodes.Unregistered, shared.nodeB)
		}
		r, err := row(d, v1alpha1.DefaultNodePool, "node-driver-registrar")
		if err != nil {
			return err
		}
		if r.Worst == nil || !strings.Contains(r.Worst.LastMessage, path) || !strings.Contains(r.Worst.LastMessage, shared.nodeB) {
			return fmt.Errorf("row is %+v, worst %+v", r, r.Worst)
		}
		return nil
	})

	if _, err := shared.nodes.exec(t.Context(), shared.nodeB, "umount", path); err != nil {
		t.Fatal(err)
	}
	await(t, "the node registers once the pool is there", ready(d))
}
