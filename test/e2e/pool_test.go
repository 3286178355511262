// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// onNodeB runs a script on the second node; $POOL is the pool's path, $KEPT a
// folder where the shared one stays visible while it is hidden there.
func onNodeB(t *testing.T, script, pool string) {
	t.Helper()
	script = "POOL=" + pool + "; KEPT=/run/kept-pool; " + script
	if _, err := shared.nodes.exec(context.WithoutCancel(t.Context()), shared.nodeB, "sh", "-ec", script); err != nil {
		t.Fatal(err)
	}
}

// A node where the shared file system is not mounted does not register, and the
// status names the node and the path.
func TestPoolMissingOnOneNode(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("hiding a pool from one node needs the local cluster's tool")
	}
	d := poolDeployment("missing.pool.csi-operator.io")
	path := d.Spec.Bundled.Path
	onNodeB(t, "mkdir -p $POOL $KEPT && mount --bind $POOL $KEPT && mount --make-private $KEPT && mount -t tmpfs none $POOL", path)
	t.Cleanup(func() {
		onNodeB(t, "for m in $POOL $POOL $KEPT; do ! mountpoint -q $m || umount -l $m; done; rmdir $KEPT", path)
	})
	d.Spec.Controller.Pod = &runtime.RawExtension{Raw: []byte(`{"nodeSelector":{"kubernetes.io/hostname":"` + shared.nodeA + `"}}`)}
	create(t, d)

	await(t, "status names the node and the path", func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		if missing := d.Status.Nodes.Unregistered; len(missing) != 1 || missing[0].Name != shared.nodeB {
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
	record(t, "registration-refused", d)

	onNodeB(t, "mount --bind $KEPT $POOL", path)
	await(t, "the node registers once the pool is there", ready(d))
}
