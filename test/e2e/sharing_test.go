// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestRawBlockVolume(t *testing.T) {
	d := sharedDeployment(t)
	guardSingleHolder(t)
	c := blockClaim("block", classOf(d), "64Mi")
	create(t, c)
	first := started(t, "block-a", shared.nodeA, c, idle)
	writeBlock(t, first, "block-content")
	get(t, c)
	pv := pvOf(t, c)
	remove(t, first)
	await(t, "volume is detached", detached(pv))

	second := started(t, "block-b", shared.nodeB, c, idle)
	wantBlock(t, second, "block-content")
	request(t, c, "128Mi")
	await(t, "the device has grown under the pod", func(ctx context.Context) error {
		got, err := podExec(ctx, second, "blockdev", "--getsize64", "/dev/data")
		if err == nil && got != strconv.Itoa(128<<20) {
			err = fmt.Errorf("it has %s bytes", got)
		}
		return err
	})
	await(t, "claim has grown", capacityOf(c, "128Mi"))
	wantBlock(t, second, "block-content")
}

// writeBlock writes a word to the start of a pod's device.
func writeBlock(t *testing.T, p *corev1.Pod, word string) {
	t.Helper()
	mustPodExec(t, p, "sh", "-c", "echo "+word+" | dd of=/dev/data bs=4096 conv=sync,fsync 2>/dev/null")
}

// wantBlock reads what writeBlock wrote.
func wantBlock(t *testing.T, p *corev1.Pod, word string) {
	t.Helper()
	if got := mustPodExec(t, p, "sh", "-c", "dd if=/dev/data bs=4096 count=1 2>/dev/null | tr -d '\\0'"); got != word {
		t.Errorf("device holds %q, want %q", got, word)
	}
}

// While a pod writes on one node, a second one on the other node has to wait,
// and the driver itself refuses to attach the volume there.
func TestSecondNodeHasToWait(t *testing.T) {
	d := sharedDeployment(t)
	guardSingleHolder(t)
	c := claim("contended", classOf(d), "64Mi")
	create(t, c)
	first := started(t, "contended-a", shared.nodeA, c, writing)

	second := workload("contended-b", shared.nodeB, c, idle)
	create(t, second)
	await(t, "the second pod is told to wait", event(second, "FailedAttachVolume"))
	get(t, c)
	refusedTo(t, pvOf(t, c), shared.nodeB, shared.nodeA)
	if shared.nodes != "" {
		if got := holdersOf(t, pvOf(t, c)); len(got) != 1 || got[0] != shared.nodeA {
			t.Errorf("mounted on %v, want %s alone", got, shared.nodeA)
		}
	}
	keepsWriting(t, first)
	remove(t, first)
	await(t, "the second pod runs once the first is gone", running(second, shared.nodeB))
	mustPodExec(t, second, "tail", "-n1", "/data/lines")
}
