// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// records is where a node plugin keeps a file for each volume that is, or may be,
// attached to its node: written before the loop device is bound and removed after
// it is gone.
func records(driver string) string { return "/var/lib/kubelet/plugins/" + driver + "/state" }

// published finds, in a mount table, the volumes that pods see, by the names of their
// PersistentVolumes.
var published = regexp.MustCompile(`kubernetes\.io~csi/([^/]+)/`)

// heldBy returns what a node holds of a driver's volumes: the handles of those that it
// has a record of, and the names of those that its kernel has mounted for pods.
func heldBy(ctx context.Context, node, driver string) ([]string, error) {
	out, err := shared.nodes.exec(ctx, node, "sh", "-ec", "ls "+records(driver)+"; cat /proc/1/mountinfo")
	if err != nil {
		return nil, err
	}
	var held []string
	for _, name := range strings.Fields(out) {
		if handle, ok := strings.CutSuffix(name, ".json"); ok {
			held = append(held, handle)
		}
	}
	for _, match := range published.FindAllStringSubmatch(out, -1) {
		held = append(held, match[1])
	}
	return held, nil
}

// holdersOf are the nodes that hold a volume.
func holdersOf(t *testing.T, pv *corev1.PersistentVolume) []string {
	t.Helper()
	var holders []string
	for _, node := range []string{shared.nodeA, shared.nodeB} {
		held, err := heldBy(t.Context(), node, pv.Spec.CSI.Driver)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(held, pv.Name) || slices.Contains(held, pv.Spec.CSI.VolumeHandle) {
			holders = append(holders, node)
		}
	}
	return holders
}

// deviceOf is the token of the loop device by which a node has a volume attached: a
// new one each time that it attaches it.
func deviceOf(t *testing.T, node string, pv *corev1.PersistentVolume) string {
	t.Helper()
	out, err := shared.nodes.exec(t.Context(), node, "cat", records(pv.Spec.CSI.Driver)+"/"+pv.Spec.CSI.VolumeHandle+".json")
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ Token string }
	if err := json.Unmarshal([]byte(out), &record); err != nil || record.Token == "" {
		t.Fatalf("record %q: %v", out, err)
	}
	return record.Token
}

// guardNodes asks both nodes again and again, and fails the test if one holds a volume
// before and after the other one said that it does.
func guardNodes(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	asked := 0
	done.Go(func() {
		wait.UntilWithContext(ctx, func(ctx context.Context) {
			both, err := heldByBoth(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				t.Errorf("asking the nodes what they hold: %v", err)
			case len(both) > 0:
				t.Errorf("both nodes hold %v", both)
			}
			asked++
		}, 100*time.Millisecond)
	})
	t.Cleanup(func() {
		cancel()
		done.Wait()
		if asked == 0 {
			t.Error("the nodes were never asked what they hold")
		}
	})
}

func heldByBoth(ctx context.Context) ([]string, error) {
	var seen [3][]string
	for i, node := range []string{shared.nodeA, shared.nodeB, shared.nodeA} {
		var err error
		if seen[i], err = heldBy(ctx, node, driverName); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(seen[1], func(volume string) bool {
		return !slices.Contains(seen[0], volume) || !slices.Contains(seen[2], volume)
	}), nil
}
