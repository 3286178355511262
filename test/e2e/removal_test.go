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

	coordinationv1 "k8s.io/api/coordination/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestRemovalWaitsForVolumes(t *testing.T) {
	d := deployed(t, poolDeployment("removal.pool.csi-operator.io"))
	c := claim("removal", classOf(d), "64Mi")
	create(t, c)
	p := started(t, "removal", shared.nodeA, c, writing)
	before := uids(mustOwned(t, d.Name))

	if err := shared.Delete(t.Context(), d); err != nil {
		t.Fatalf("deleting the deployment: %v", err)
	}
	await(t, "removal is blocked", condition(d, v1alpha1.ConditionDeletionBlocked, "True", v1alpha1.ReasonVolumesExist))
	if del := d.Status.Deletion; del == nil || del.PersistentVolumes != 1 || del.VolumeAttachments != 1 || len(del.Examples) != 2 {
		t.Errorf("status.deletion is %+v, want one volume, one attachment and both as examples", del)
	}
	keepsWriting(t, p)
	if after := uids(mustOwned(t, d.Name)); !slices.Equal(before, after) {
		t.Errorf("objects changed while blocked:\nbefore %v\nafter  %v", before, after)
	}
	moved := workload("removal-moved", shared.nodeB, c, writing)
	remove(t, p)
	create(t, moved)
	await(t, "a new pod mounts while blocked", running(moved, shared.nodeB))
	keepsWriting(t, moved)

	remove(t, moved)
	remove(t, c)
	await(t, "deployment is gone", func(ctx context.Context) error { return gone(ctx, d) })
	if left := mustOwned(t, d.Name); len(left) > 0 {
		t.Errorf("left behind: %v", uids(left))
	}
	nothingElseLeft(t, d.Name)
}

// nothingElseLeft checks what carries no label of ours: leases and the nodes'
// registrations.
func nothingElseLeft(t *testing.T, driver string) {
	t.Helper()
	var leases coordinationv1.LeaseList
	if err := shared.List(t.Context(), &leases); err != nil {
		t.Fatal(err)
	}
	for _, l := range leases.Items {
		if strings.Contains(l.Name, strings.ReplaceAll(driver, ".", "-")) {
			t.Errorf("lease %s/%s is left", l.Namespace, l.Name)
		}
	}
	await(t, "no CSINode lists the driver", func(ctx context.Context) error {
		var list storagev1.CSINodeList
		if err := shared.List(ctx, &list); err != nil {
			return err
		}
		for _, n := range list.Items {
			for _, registered := range n.Spec.Drivers {
				if registered.Name == driver {
					return fmt.Errorf("CSINode %s lists it", n.Name)
				}
			}
		}
		return nil
	})
}
