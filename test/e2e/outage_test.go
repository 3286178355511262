// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// restarted is nil when a pod's container was started anew.
func restarted(p *corev1.Pod, node string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := running(p, node)(ctx); err != nil {
			return err
		}
		if n := p.Status.ContainerStatuses[0].RestartCount; n == 0 {
			return errors.New("it still counts no restart")
		}
		return nil
	}
}

// A node that was rebooted attaches and mounts its volumes anew, and nothing is
// lost: neither of a file system nor of a raw block volume.
func TestRebootedNode(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("rebooting a node needs the local cluster's tool")
	}
	d := sharedDeployment(t)
	files, device := claim("reboot", classOf(d), "64Mi"), blockClaim("reboot-block", classOf(d), "64Mi")
	create(t, files)
	create(t, device)
	p := started(t, "reboot", shared.nodeB, files, idle)
	q := started(t, "reboot-block", shared.nodeB, device, idle)
	mustPodExec(t, p, "sh", "-c", "echo survives >/data/kept && sync")
	writeBlock(t, q, "survives")
	get(t, files)
	get(t, device)
	volumes := []*corev1.PersistentVolume{pvOf(t, files), pvOf(t, device)}
	var before []string
	for _, pv := range volumes {
		before = append(before, deviceOf(t, shared.nodeB, pv))
	}

	leadFrom(t, shared.nodeA)
	c := chronicled(t, d)
	t.Cleanup(func() { upAgain(t, "start") })
	onNode(t, "reboot", shared.nodeB)
	tellsWithin(t, "node-reboots", byReboot, d, func() error { return notReady(d) })
	await(t, "pod was started anew", restarted(p, shared.nodeB))
	await(t, "pod with a device was started anew", restarted(q, shared.nodeB))
	if got := mustPodExec(t, p, "cat", "/data/kept"); got != "survives" {
		t.Errorf("file holds %q after the reboot", got)
	}
	wantBlock(t, q, "survives")
	for i, pv := range volumes {
		if deviceOf(t, shared.nodeB, pv) == before[i] {
			t.Errorf("%s is attached by the device from before the reboot", pv.Name)
		}
	}
	await(t, "deployment is Ready again", ready(d))
	c.wantCalm(t)
}

// A node whose kubelet and containers died keeps its mounts, and goes on with them
// once it is started.
func TestStoppedNode(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("stopping a node needs the local cluster's tool")
	}
	d := sharedDeployment(t)
	c := claim("stopped-node", classOf(d), "64Mi")
	create(t, c)
	p := started(t, "stopped-node", shared.nodeB, c, writing)
	get(t, c)
	pv := pvOf(t, c)
	before := deviceOf(t, shared.nodeB, pv)

	t.Cleanup(func() { upAgain(t, "start") })
	onNode(t, "stop", shared.nodeB)
	tellsWithin(t, "node-stopped", byNode, d, func() error {
		r, err := row(d, v1alpha1.DefaultNodePool, v1alpha1.DriverContainer)
		if err != nil || r.Worst == nil || r.Worst.Node != shared.nodeB || !strings.Contains(r.Message, "NodeNotReady") && !strings.Contains(r.Message, "NodeStatusUnknown") {
			return fmt.Errorf("row is %+v, %w", r, err)
		}
		if missing := d.Status.Nodes.Unregistered; len(missing) != 1 || missing[0].Name != shared.nodeB {
			return fmt.Errorf("unregistered are %+v", missing)
		}
		return notReady(d)
	})
	await(t, shared.nodeB+" is NotReady", nodeIs(shared.nodeB, false))
	if got := holdersOf(t, pv); len(got) != 1 || got[0] != shared.nodeB {
		t.Errorf("attached to %v, want %s alone", got, shared.nodeB)
	}

	if _, err := shared.nodes.print(t.Context(), "up", "--root", "../.."); err != nil {
		t.Fatal(err)
	}
	await(t, shared.nodeB+" is Ready", nodeIs(shared.nodeB, true))
	await(t, "pod was started anew", restarted(p, shared.nodeB))
	keepsWriting(t, p)
	if deviceOf(t, shared.nodeB, pv) != before {
		t.Error("the volume was attached anew while it was mounted")
	}
	await(t, "deployment is Ready again", ready(d))
}

// upAgain starts or heals the second node, which may be well, and awaits that it is.
func upAgain(t *testing.T, verb string) {
	t.Helper()
	onNode(t, verb, shared.nodeB)
	awaitWith(context.WithoutCancel(t.Context()), t, shared.nodeB+" is Ready", nodeIs(shared.nodeB, true))
}

// onNode lets the local cluster do something with a node.
func onNode(t *testing.T, verb, node string) {
	t.Helper()
	if err := shared.nodes.act(context.WithoutCancel(t.Context()), verb, node); err != nil {
		t.Fatal(err)
	}
}

// nodeIs is nil when the node's readiness is as wanted.
func nodeIs(name string, want bool) func(context.Context) error {
	return func(ctx context.Context) error {
		var n corev1.Node
		n.Name = name
		if err := refetch(ctx, &n); err != nil {
			return err
		}
		if nodeReady(&n) != want {
			return fmt.Errorf("ready is %t", !want)
		}
		return nil
	}
}

// leadFrom has the operator led by a replica on a node.
func leadFrom(t *testing.T, node string) {
	t.Helper()
	await(t, "the operator is led from "+node, func(ctx context.Context) error {
		lease, err := shared.clientset.CoordinationV1().Leases(operatorNamespace).Get(ctx, "csi-operator", metav1.GetOptions{})
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(ptr.Deref(lease.Spec.HolderIdentity, ""), "_")
		leader := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: name}}
		if err := refetch(ctx, leader); err != nil {
			return err
		}
		if leader.Spec.NodeName == node {
			return nil
		}
		return errors.Join(fmt.Errorf("it is led by %s on %s", name, leader.Spec.NodeName), client.IgnoreNotFound(shared.Delete(ctx, leader)))
	})
}
