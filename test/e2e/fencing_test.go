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
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusedTo asks for a volume to be attached to one more node, past the
// attach/detach controller, and awaits that the driver refuses and names the
// node that has it.
func refusedTo(t *testing.T, pv *corev1.PersistentVolume, node, holder string) {
	t.Helper()
	a := &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "by-hand-" + node + "-" + pv.Name},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: pv.Spec.CSI.Driver, NodeName: node,
			Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pv.Name},
		},
	}
	create(t, a)
	await(t, "the driver refuses "+node, func(ctx context.Context) error {
		if err := refetch(ctx, a); err != nil {
			return err
		}
		said := a.Status.AttachError
		switch {
		case a.Status.Attached:
			t.Fatalf("%s is attached to %s while %s has it", pv.Name, node, holder)
		case said == nil:
			return errors.New("no attachError yet")
		case !strings.Contains(said.Message, "FailedPrecondition") || !strings.Contains(said.Message, holder):
			return fmt.Errorf("attachError is %q", said.Message)
		}
		return nil
	})
}

// A node that is cut off runs on and may write: its volume is given to nobody
// else until it is back and has let go.
func TestCutOffNodeKeepsItsVolume(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("cutting off a node needs the local cluster's tool")
	}
	d := sharedDeployment(t)
	guardSingleHolder(t)
	c := claim("cut-off", classOf(d), "64Mi")
	create(t, c)
	p := started(t, "cut-off", shared.nodeB, c, writing)
	get(t, c)
	pv := pvOf(t, c)

	t.Cleanup(func() { upAgain(t, "heal") })
	onNode(t, "partition", shared.nodeB)
	await(t, shared.nodeB+" is NotReady", nodeIs(shared.nodeB, false))
	refusedTo(t, pv, shared.nodeA, shared.nodeB)
	if got := holdersOf(t, pv); len(got) != 1 || got[0] != shared.nodeB {
		t.Errorf("mounted on %v, want %s alone", got, shared.nodeB)
	}

	onNode(t, "heal", shared.nodeB)
	await(t, shared.nodeB+" is Ready", nodeIs(shared.nodeB, true))
	await(t, "deployment is Ready again", ready(d))
	keepsWriting(t, p)
}
