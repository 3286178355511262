// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// workloadImage has a shell; any busybox does.
var workloadImage = environment("WORKLOAD_IMAGE", "busybox:1.36")

// driverName is the deployment that most tests share.
const driverName = "e2e.pool.csi-operator.io"

// poolDeployment is a five-line object: a pool of its own below the folder that
// both nodes share, and one class of the same name.
func poolDeployment(name string) *v1alpha1.CSIDriverDeployment {
	d := &v1alpha1.CSIDriverDeployment{}
	d.Name = name
	d.Spec.Bundled = &v1alpha1.BundledDriver{
		Mode: v1alpha1.BundledShared,
		Path: environment("POOLS", "/var/lib/csi-operator-pools") + "/" + name,
	}
	return d
}

// claim asks for a volume of a class, made in namespace default.
func claim(name, class, size string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)},
			},
		},
	}
}

// blockClaim is a claim for a raw block volume.
func blockClaim(name, class, size string) *corev1.PersistentVolumeClaim {
	c := claim(name, class, size)
	c.Spec.VolumeMode = new(corev1.PersistentVolumeBlock)
	return c
}

// workload runs script in a shell on a node with the claim at /data, or as the
// device /dev/data where the claim is for a block volume.
func workload(name, node string, c *corev1.PersistentVolumeClaim, script string) *corev1.Pod {
	container := corev1.Container{
		Name:            "workload",
		Image:           workloadImage,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{"sh", "-c", script},
	}
	if c.Spec.VolumeMode != nil && *c.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		container.VolumeDevices = []corev1.VolumeDevice{{Name: "data", DevicePath: "/dev/data"}}
	} else {
		container.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.Namespace},
		Spec: corev1.PodSpec{
			NodeSelector:                  map[string]string{corev1.LabelHostname: node},
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers:                    []corev1.Container{container},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.Name},
			}}},
		},
	}
}

// started makes a workload and awaits that it runs on the node.
func started(t *testing.T, name, node string, c *corev1.PersistentVolumeClaim, script string) *corev1.Pod {
	t.Helper()
	p := workload(name, node, c, script)
	create(t, p)
	await(t, "pod "+name+" runs on "+node, running(p, node))
	return p
}

const (
	// idle keeps a pod running without touching its volume.
	idle = "trap 'exit 0' TERM; while :; do sleep 1; done"
	// writing appends a line a second and flushes it.
	writing = "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo $n >>/data/lines; sync; sleep 1; done"
)

// classOf is the class that exists where spec.storageClasses is omitted.
func classOf(d *v1alpha1.CSIDriverDeployment) string { return d.Name }

// pvOf returns the PersistentVolume that a bound claim names.
func pvOf(t *testing.T, c *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	t.Helper()
	var pv corev1.PersistentVolume
	pv.Name = c.Spec.VolumeName
	get(t, &pv)
	return &pv
}

// attachments lists the VolumeAttachments of a PersistentVolume.
func attachments(ctx context.Context, pv string) ([]storagev1.VolumeAttachment, error) {
	var all storagev1.VolumeAttachmentList
	if err := shared.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing attachments: %w", err)
	}
	return slices.DeleteFunc(all.Items, func(a storagev1.VolumeAttachment) bool {
		name := a.Spec.Source.PersistentVolumeName
		return name == nil || *name != pv
	}), nil
}

// attachmentsOf is attachments, or the end of the test.
func attachmentsOf(t *testing.T, pv string) []storagev1.VolumeAttachment {
	t.Helper()
	list, err := attachments(t.Context(), pv)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// get reads an object by its name, or fails the test.
func get(t *testing.T, obj client.Object) {
	t.Helper()
	if err := shared.Get(t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		t.Fatalf("reading %T %s: %v", obj, obj.GetName(), err)
	}
}

// refetch reads an object anew and returns the error.
func refetch(ctx context.Context, obj client.Object) error {
	return shared.Get(ctx, client.ObjectKeyFromObject(obj), obj)
}
