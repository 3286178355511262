// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestCustomDriver runs drivers of another source beside the bundled one: one that works,
// one that fails in every way, and one that asks for more than the operator has. They
// live at the same time, since each waits most of the time.
func TestCustomDriver(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("installing the CRDs of snapshots, and removing them, needs the local cluster's tool")
	}
	bundled := sharedDeployment(t)
	create(t, privilegedNamespace(customNamespace))
	t.Cleanup(func() {
		awaitWith(context.WithoutCancel(t.Context()), t, "the bundled driver is still Ready", ready(bundled))
	})
	create(t, privilegedNamespace(faultNamespace))
	for _, lane := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Works", customDriverWorks},
		{"FailsByItsSpec", controllerFaults},
		{"FailsOnNodes", nodeFaults},
		{"FailsByItsProcesses", processFaults},
		{"Breaks", customDriverBreaks},
		{"IsRefused", refusedPods},
		{"AsksForMore", customDriverAsksForMore},
	} {
		t.Run(lane.name, func(t *testing.T) {
			t.Parallel()
			lane.run(t)
		})
	}
}

// customDriverWorks goes through the life of one driver without spec.capabilities.
func customDriverWorks(t *testing.T) {
	withoutSnapshots(t)
	d := testDriver("custom.example.com", claiming(able...))
	d.Spec.StorageClasses = []v1alpha1.StorageClass{{Name: d.Name, AllowVolumeExpansion: new(true)}}
	t.Cleanup(func() {
		if err := os.RemoveAll(dataOf(d.Name)); err != nil {
			t.Error(err)
		}
	})
	deployed(t, d)
	wantDiscovered(t, d)

	source := claimOf(d, "source", "32Mi")
	source.Labels = map[string]string{groupLabel: source.Name}
	create(t, source)
	volumeOfCustomDriver(t, d, source)
	clone := claimOf(d, "clone", "64Mi")
	clone.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: source.Name}
	wantContent(t, clone)
	noteRights(t, d)

	snapshotsOfCustomDriver(t, d, source)
	capabilityTakenAway(t, d)
}

// wantDiscovered checks what comes of the driver's answer.
func wantDiscovered(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	await(t, "capabilities are known", condition(d, v1alpha1.ConditionCapabilitiesMatch, "True", v1alpha1.ReasonKnown))
	if diff := cmp.Diff(slices.Sorted(slices.Values(able)), d.Status.Driver.Capabilities); diff != "" {
		t.Errorf("capabilities: -claimed, +found:\n%s", diff)
	}
	if d.Status.Driver.Version != "v1.0.0" {
		t.Errorf("version is %q, want that which the driver reports", d.Status.Driver.Version)
	}
	var driver storagev1.CSIDriver
	driver.Name = d.Name
	get(t, &driver)
	if !*driver.Spec.AttachRequired {
		t.Error("attachRequired is false, and the driver publishes volumes")
	}
	// Nothing serves the kinds of snapshots yet.
	await(t, "the sidecars follow the capabilities", controllerRuns(d, "csi-provisioner", "csi-attacher", "csi-resizer"))
}

// controllerRuns is nil when the controller has these sidecars beside what every driver
// that is asked has, and all its pods are of that kind.
func controllerRuns(d *v1alpha1.CSIDriverDeployment, sidecars ...string) func(context.Context) error {
	want := slices.Concat([]string{"driver"}, sidecars, []string{"livenessprobe", "csi-inspector"})
	return func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		var got []string
		for _, r := range d.Status.Sidecars {
			if r.Component != v1alpha1.ComponentController {
				continue
			}
			got = append(got, r.Name)
			if r.State != v1alpha1.SidecarHealthy {
				return fmt.Errorf("%s is %s: %s", r.Name, r.State, r.Message)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("containers of the controller: -want, +got:\n%s", diff)
		}
		return nil
	}
}

// volumeOfCustomDriver writes a file on one node, reads it on the other, and lets the
// volume grow there.
func volumeOfCustomDriver(t *testing.T, d *v1alpha1.CSIDriverDeployment, c *corev1.PersistentVolumeClaim) {
	t.Helper()
	first := started(t, "custom-writes", shared.nodeA, c, idle)
	mustPodExec(t, first, "sh", "-c", "echo "+content+" >/data/file && sync")
	get(t, c)
	pv := pvOf(t, c)
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != d.Name {
		t.Errorf("PersistentVolume has source %+v, want a volume of %s", pv.Spec.CSI, d.Name)
	}
	remove(t, first)
	second := started(t, "custom-reads", shared.nodeB, c, idle)
	if got := mustPodExec(t, second, "cat", "/data/file"); got != content {
		t.Errorf("file holds %q on the other node, want %q", got, content)
	}
	request(t, c, "64Mi")
	await(t, "claim has grown", capacityOf(c, "64Mi"))
	remove(t, second)
}

// wantContent makes a claim for a copy of a volume and reads it in a pod.
func wantContent(t *testing.T, c *corev1.PersistentVolumeClaim) {
	t.Helper()
	create(t, c)
	p := started(t, "custom-"+c.Name, shared.nodeB, c, idle)
	if got := mustPodExec(t, p, "cat", "/data/file"); got != content {
		t.Errorf("the file of %s holds %q, want %q", c.Name, got, content)
	}
	remove(t, p)
}

// capabilityTakenAway has a running driver lose a capability, and get it back.
func capabilityTakenAway(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	const right, lease = "persistentvolumeclaims/status", "external-resizer-custom-example-com"
	if given := rightsOf(t, d); !given.name(right) || !given.name(lease) {
		t.Fatalf("the rights lack %s or %s before: %+v", right, lease, given.all())
	}
	less := slices.DeleteFunc(slices.Clone(able), func(c string) bool { return c == "Controller/EXPAND_VOLUME" })
	told(t, d, claiming(less...))
	await(t, "csi-resizer is gone", controllerRuns(d, "csi-provisioner", "csi-attacher", "csi-snapshotter"))
	await(t, "its rights are gone", func(ctx context.Context) error {
		given, err := readRights(ctx, d)
		if err == nil && (given.name(right) || given.name(lease)) {
			err = fmt.Errorf("rights are %+v", given.all())
		}
		return err
	})
	await(t, "the driver is well without", ready(d))
	noteRights(t, d)

	told(t, d, claiming(able...))
	await(t, "csi-resizer is back", controllerRuns(d, "csi-provisioner", "csi-attacher", "csi-resizer", "csi-snapshotter"))
	if given := rightsOf(t, d); !given.name(right) || !given.name(lease) {
		t.Errorf("the rights lack %s or %s: %+v", right, lease, given.all())
	}
	if meta.IsStatusConditionFalse(d.Status.Conditions, v1alpha1.ConditionCapabilitiesMatch) {
		t.Errorf("conditions are %+v", d.Status.Conditions)
	}
}
