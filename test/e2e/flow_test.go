// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the components of Kubernetes write on the way, see docs/flow.md.
const (
	annProvisioner     = "volume.kubernetes.io/storage-provisioner"
	annBetaProvisioner = "volume.beta.kubernetes.io/storage-provisioner"
	annSelectedNode    = "volume.kubernetes.io/selected-node"
	annBindCompleted   = "pv.kubernetes.io/bind-completed"
	annBoundByCtrl     = "pv.kubernetes.io/bound-by-controller"
	annProvisionedBy   = "pv.kubernetes.io/provisioned-by"
	annNodeID          = "csi.alpha.kubernetes.io/node-id"
	finPVCProtection   = "kubernetes.io/pvc-protection"
	finPVProtection    = "kubernetes.io/pv-protection"
	finProvisioner     = "external-provisioner.volume.kubernetes.io/finalizer"
	keyProvisionerID   = "storage.kubernetes.io/csiProvisionerIdentity"
)

// finAttacher is the attacher's finalizer: "-" for "." in the driver's name.
func finAttacher(driver string) string {
	name := []byte(driver)
	for i := range name {
		if name[i] == '.' {
			name[i] = '-'
		}
	}
	return "external-attacher/" + string(name)
}

func TestVolumeFollowsItsPod(t *testing.T) {
	for name, fsType := range map[string]string{"ext4": "", "xfs": "xfs"} {
		t.Run(name, func(t *testing.T) { volumeFollowsItsPod(t, "follow-"+name, fsType) })
	}
}

func volumeFollowsItsPod(t *testing.T, name, fsType string) {
	d := sharedDeployment(t)
	class := classOf(d)
	if fsType != "" {
		class = d.Name + "-" + fsType
	}
	guardSingleHolder(t)

	c := claim(name, class, "400Mi")
	create(t, c)
	await(t, "claim waits for its consumer", event(c, "WaitForFirstConsumer"))

	first := started(t, name+"-a", shared.nodeA, c, idle)
	pv := assertProvisioned(t, c, first, d.Name)
	assertAttached(t, pv, first, d.Name)
	assertMounted(t, first, fsType)

	mustPodExec(t, first, "sh", "-c", "dd if=/dev/urandom of=/data/blob bs=1M count=8 2>/dev/null && sync")
	written := mustPodExec(t, first, "md5sum", "/data/blob")
	remove(t, first)
	await(t, "volume is detached", detached(pv))

	// Both ways to grow: ext4 while nobody uses the volume, xfs under a running
	// pod. (Growing ext4 online needs CAP_SYS_RESOURCE, which some virtual
	// machines withhold even from root.)
	if fsType != "xfs" {
		request(t, c, "700Mi")
		await(t, "claim waits for a pod to finish growing", growthPending(c))
	}
	second := started(t, name+"-b", shared.nodeB, c, idle)
	if read := mustPodExec(t, second, "md5sum", "/data/blob"); read != written {
		t.Fatalf("read %q on %s, wrote %q on %s", read, shared.nodeB, written, shared.nodeA)
	}
	if fsType == "xfs" {
		request(t, c, "700Mi")
	}
	assertGrown(t, c, second, "700Mi")

	remove(t, second)
	remove(t, c)
	await(t, "PersistentVolume is gone", func(ctx context.Context) error { return gone(ctx, pv) })
	if left := attachmentsOf(t, pv.Name); len(left) > 0 {
		t.Errorf("attachments are left: %v", left)
	}
}

// assertProvisioned checks step 1 of the flow and returns the PersistentVolume.
func assertProvisioned(t *testing.T, c *corev1.PersistentVolumeClaim, p *corev1.Pod, driver string) *corev1.PersistentVolume {
	t.Helper()
	get(t, c)
	wantAnnotations(t, c, map[string]string{
		annProvisioner: driver, annBetaProvisioner: driver, annSelectedNode: p.Spec.NodeName,
		annBindCompleted: "yes", annBoundByCtrl: "yes",
	})
	wantFinalizers(t, c, finPVCProtection)
	if c.Status.Phase != corev1.ClaimBound {
		t.Errorf("claim is %s, want Bound", c.Status.Phase)
	}
	for _, reason := range []string{"ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"} {
		await(t, "event "+reason, event(c, reason))
	}

	pv := pvOf(t, c)
	wantAnnotations(t, pv, map[string]string{annProvisionedBy: driver})
	wantFinalizers(t, pv, finPVProtection, finProvisioner)
	source := pv.Spec.CSI
	switch {
	case source == nil || source.Driver != driver || source.VolumeHandle == "":
		t.Errorf("PersistentVolume has source %+v, want a volume of %s", source, driver)
	case source.VolumeAttributes[keyProvisionerID] == "":
		t.Errorf("attributes %v lack %s", source.VolumeAttributes, keyProvisionerID)
	}
	if pv.Name != "pvc-"+string(c.UID) || pv.Spec.ClaimRef == nil || pv.Spec.ClaimRef.UID != c.UID {
		t.Errorf("PersistentVolume %s has claimRef %+v, want pvc-%s for the claim", pv.Name, pv.Spec.ClaimRef, c.UID)
	}
	if pv.Spec.NodeAffinity == nil {
		t.Error("PersistentVolume has no node affinity, want the pool's topology")
	}
	return pv
}

// assertAttached checks step 2 of the flow.
func assertAttached(t *testing.T, pv *corev1.PersistentVolume, p *corev1.Pod, driver string) {
	t.Helper()
	list := attachmentsOf(t, pv.Name)
	if len(list) != 1 {
		t.Fatalf("%d attachments of %s, want 1", len(list), pv.Name)
	}
	a := list[0]
	if want := attachmentName(pv, p.Spec.NodeName); a.Name != want {
		t.Errorf("attachment is %s, want %s", a.Name, want)
	}
	if !a.Status.Attached || a.Spec.NodeName != p.Spec.NodeName || a.Spec.Attacher != driver {
		t.Errorf("attachment is %+v / %+v, want attached to %s by %s", a.Spec, a.Status, p.Spec.NodeName, driver)
	}
	wantFinalizers(t, &a, finAttacher(driver))
	wantAnnotations(t, &a, map[string]string{annNodeID: p.Spec.NodeName})
	get(t, pv)
	wantFinalizers(t, pv, finAttacher(driver))
	await(t, "event SuccessfulAttachVolume", event(p, "SuccessfulAttachVolume"))

	var node corev1.Node
	node.Name = p.Spec.NodeName
	want := corev1.UniqueVolumeName("kubernetes.io/csi/" + driver + "^" + pv.Spec.CSI.VolumeHandle)
	await(t, "node reports the volume attached and in use", func(ctx context.Context) error {
		if err := refetch(ctx, &node); err != nil {
			return err
		}
		attached := slices.ContainsFunc(node.Status.VolumesAttached, func(v corev1.AttachedVolume) bool { return v.Name == want })
		if !attached || !slices.Contains(node.Status.VolumesInUse, want) {
			return fmt.Errorf("attached %v, in use %v, want %s in both", node.Status.VolumesAttached, node.Status.VolumesInUse, want)
		}
		return nil
	})
}

// attachmentName is the name that the attach/detach controller gives.
func attachmentName(pv *corev1.PersistentVolume, node string) string {
	sum := sha256.Sum256([]byte(pv.Spec.CSI.VolumeHandle + pv.Spec.CSI.Driver + node))
	return "csi-" + hex.EncodeToString(sum[:])
}

// assertMounted checks step 3 of the flow: the registered driver, and what the
// container sees.
func assertMounted(t *testing.T, p *corev1.Pod, fsType string) {
	t.Helper()
	var node storagev1.CSINode
	node.Name = p.Spec.NodeName
	get(t, &node)
	if !slices.ContainsFunc(node.Spec.Drivers, func(d storagev1.CSINodeDriver) bool {
		return d.Name == driverName && d.NodeID == p.Spec.NodeName && slices.Equal(d.TopologyKeys, []string{driverName + "/pool"})
	}) {
		t.Errorf("CSINode %s lists %+v, want %s with its topology key", node.Name, node.Spec.Drivers, driverName)
	}
	if fsType == "" {
		fsType = "ext4"
	}
	if got := mustPodExec(t, p, "sh", "-c", "grep ' /data ' /proc/mounts | cut -d' ' -f3"); got != fsType {
		t.Errorf("/data is %q, want %s", got, fsType)
	}
}

// request asks for a larger volume.
func request(t *testing.T, c *corev1.PersistentVolumeClaim, size string) {
	t.Helper()
	get(t, c)
	patch := client.MergeFrom(c.DeepCopy())
	c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse(size)
	if err := shared.Patch(t.Context(), c, patch); err != nil {
		t.Fatalf("asking for %s: %v", size, err)
	}
}

// growthPending is nil when the volume has grown and its file system has not, as
// all who take part in it say.
func growthPending(c *corev1.PersistentVolumeClaim) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := refetch(ctx, c); err != nil {
			return err
		}
		stage := c.Status.AllocatedResourceStatuses[corev1.ResourceStorage]
		if notCondition(c, corev1.PersistentVolumeClaimFileSystemResizePending) == nil || stage != corev1.PersistentVolumeClaimNodeResizePending {
			return fmt.Errorf("conditions are %+v, allocatedResourceStatuses %v", c.Status.Conditions, c.Status.AllocatedResourceStatuses)
		}
		return nil
	}
}

// notCondition is nil unless the claim has the condition.
func notCondition(c *corev1.PersistentVolumeClaim, kind corev1.PersistentVolumeClaimConditionType) error {
	if slices.ContainsFunc(c.Status.Conditions, func(pc corev1.PersistentVolumeClaimCondition) bool {
		return pc.Type == kind && pc.Status == corev1.ConditionTrue
	}) {
		return fmt.Errorf("condition %s stands", kind)
	}
	return nil
}

// capacityOf is nil when a claim has a size, and nothing says that it still grows.
func capacityOf(c *corev1.PersistentVolumeClaim, size string) func(context.Context) error {
	want := resource.MustParse(size)
	return func(ctx context.Context) error {
		if err := refetch(ctx, c); err != nil {
			return err
		}
		if got := c.Status.Capacity[corev1.ResourceStorage]; got.Cmp(want) < 0 {
			return fmt.Errorf("capacity is %s, conditions %+v", got.String(), c.Status.Conditions)
		}
		return errors.Join(notCondition(c, corev1.PersistentVolumeClaimResizing), notCondition(c, corev1.PersistentVolumeClaimFileSystemResizePending))
	}
}

// assertGrown checks the end of the way to a larger volume, and the events on it.
func assertGrown(t *testing.T, c *corev1.PersistentVolumeClaim, p *corev1.Pod, size string) {
	t.Helper()
	want := resource.MustParse(size)
	await(t, "claim has grown to "+size, capacityOf(c, size))
	for _, reason := range []string{"Resizing", "FileSystemResizeSuccessful"} {
		await(t, "event "+reason, event(c, reason))
	}
	// A file system needs some of its device for itself; it was 400Mi before.
	if got := sizeOf(t, p); got > want.Value() || got < want.Value()*8/10 {
		t.Errorf("the file system has %d bytes of %d", got, want.Value())
	}
	if pv := pvOf(t, c); pv.Spec.Capacity.Storage().Cmp(want) < 0 {
		t.Errorf("PersistentVolume has %s, want %s", pv.Spec.Capacity.Storage(), size)
	}
}

// sizeOf is the size of the file system in a pod, in bytes.
func sizeOf(t *testing.T, p *corev1.Pod) int64 {
	t.Helper()
	text := mustPodExec(t, p, "sh", "-c", "df -k /data | awk 'NR==2{print $2}'")
	kib, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("df printed %q: %v", text, err)
	}
	return kib * 1024
}

// detached is nil when no attachment of the volume is left.
func detached(pv *corev1.PersistentVolume) func(context.Context) error {
	return func(ctx context.Context) error {
		list, err := attachments(ctx, pv.Name)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return fmt.Errorf("%s is attached to %s", pv.Name, list[0].Spec.NodeName)
		}
		return nil
	}
}

func wantAnnotations(t *testing.T, obj client.Object, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got := obj.GetAnnotations()[k]; got != v {
			t.Errorf("%T %s: annotation %s is %q, want %q", obj, obj.GetName(), k, got, v)
		}
	}
}

func wantFinalizers(t *testing.T, obj client.Object, want ...string) {
	t.Helper()
	for _, f := range want {
		if !slices.Contains(obj.GetFinalizers(), f) {
			t.Errorf("%T %s: finalizers %v lack %s", obj, obj.GetName(), obj.GetFinalizers(), f)
		}
	}
}
