// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// ownedLists is a list of every kind that the operator makes.
func ownedLists() []client.ObjectList {
	return []client.ObjectList{
		&corev1.ServiceAccountList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
		&rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{},
		&appsv1.DeploymentList{}, &appsv1.DaemonSetList{},
		&storagev1.CSIDriverList{}, &storagev1.StorageClassList{},
	}
}

// owned lists all objects that carry the deployment's label.
func owned(ctx context.Context, deployment string) ([]client.Object, error) {
	var all []client.Object
	for _, list := range ownedLists() {
		if err := shared.List(ctx, list, client.MatchingLabels{v1alpha1.LabelDeployment: deployment}); err != nil {
			return nil, fmt.Errorf("listing %T: %w", list, err)
		}
		if err := meta.EachListItem(list, func(o runtime.Object) error {
			all = append(all, o.(client.Object))
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func mustOwned(t *testing.T, deployment string) []client.Object {
	t.Helper()
	all, err := owned(t.Context(), deployment)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDeletedObjectsComeBack(t *testing.T) {
	d := sharedDeployment(t)
	c := claim("steady", classOf(d), "64Mi")
	create(t, c)
	p := started(t, "steady", shared.nodeA, c, writing)

	all := mustOwned(t, d.Name)
	if len(all) < 10 {
		t.Fatalf("only %d owned objects: the listing misses some", len(all))
	}
	for _, o := range all {
		comesBack(t, o)
	}
	await(t, "deployment is Ready again", ready(d))
	keepsWriting(t, p)
}

// comesBack deletes one object and awaits its successor.
func comesBack(t *testing.T, o client.Object) {
	t.Helper()
	old := o.GetUID()
	if err := shared.Delete(t.Context(), o); err != nil {
		t.Fatalf("deleting %T %s: %v", o, o.GetName(), err)
	}
	await(t, fmt.Sprintf("%T %s is back", o, o.GetName()), func(ctx context.Context) error {
		if err := refetch(ctx, o); err != nil {
			return err
		}
		if o.GetUID() == old || o.GetDeletionTimestamp() != nil {
			return fmt.Errorf("it is still the old one")
		}
		return nil
	})
}

// keepsWriting awaits that the pod's file has grown.
func keepsWriting(t *testing.T, p *corev1.Pod) {
	t.Helper()
	before := mustPodExec(t, p, "tail", "-n1", "/data/lines")
	await(t, "pod keeps writing", func(ctx context.Context) error {
		after, err := podExec(ctx, p, "tail", "-n1", "/data/lines")
		if err == nil && after == before {
			err = fmt.Errorf("last line is still %s", after)
		}
		return err
	})
}

func TestNothingIsWrittenWithoutNeed(t *testing.T) {
	d := sharedDeployment(t)
	again := d.DeepCopy()
	again.ManagedFields, again.ResourceVersion, again.UID, again.Status = nil, "", "", v1alpha1.CSIDriverDeploymentStatus{}
	again.Finalizers, again.CreationTimestamp, again.Generation = nil, metav1.Time{}, 0
	apply(t, again) // this one makes kubectl an owner of the fields
	before := versions(t, d)
	apply(t, again)
	t.Cleanup(func() { scaleOperator(t, 2) })
	scaleOperator(t, 0)
	scaleOperator(t, 2)

	// That an edited class is healed proves that the new operator has gone through
	// the whole deployment.
	class := &storagev1.StorageClass{}
	class.Name = d.Name + "-xfs"
	healsExpansion(t, class)
	await(t, "deployment is Ready", ready(d))

	after := calmVersions(t, d)
	delete(before, key(class))
	delete(after, key(class))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("resourceVersions before and after: %s", diff)
	}
}

// healsExpansion forbids a class's volumes to grow and awaits that they may again.
func healsExpansion(t *testing.T, class *storagev1.StorageClass) {
	t.Helper()
	get(t, class)
	patch := client.MergeFrom(class.DeepCopy())
	class.AllowVolumeExpansion = new(false)
	if err := shared.Patch(t.Context(), class, patch); err != nil {
		t.Fatal(err)
	}
	await(t, "the class is healed", func(ctx context.Context) error {
		if err := refetch(ctx, class); err != nil {
			return err
		}
		if class.AllowVolumeExpansion == nil || !*class.AllowVolumeExpansion {
			return fmt.Errorf("expansion is %v", class.AllowVolumeExpansion)
		}
		return nil
	})
}

// apply does what `kubectl apply --server-side` of a file does.
func apply(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	d.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	manifest, err := yaml.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(shared.kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-")
	command.Stdin = bytes.NewReader(manifest)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
}

// calmVersions are versions once they have not moved for two seconds, so that a
// write that was under way is in them.
func calmVersions(t *testing.T, d *v1alpha1.CSIDriverDeployment) map[string]string {
	t.Helper()
	last, since := versions(t, d), time.Now()
	await(t, "nothing is written any more", func(ctx context.Context) error {
		now, err := readVersions(ctx, d)
		if err != nil {
			return err
		}
		if !maps.Equal(now, last) {
			last, since = now, time.Now()
		}
		if calm := time.Since(since); calm < 2*time.Second {
			return fmt.Errorf("calm for %s", calm)
		}
		return nil
	})
	return last
}

// versions are the resourceVersions of the deployment and of all it owns.
func versions(t *testing.T, d *v1alpha1.CSIDriverDeployment) map[string]string {
	t.Helper()
	out, err := readVersions(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readVersions(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (map[string]string, error) {
	if err := refetch(ctx, d); err != nil {
		return nil, err
	}
	all, err := owned(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	out := map[string]string{"CSIDriverDeployment": d.ResourceVersion}
	for _, o := range all {
		out[key(o)] = o.GetResourceVersion()
	}
	return out, nil
}

func key(o client.Object) string { return fmt.Sprintf("%T %s", o, o.GetName()) }

func uids(all []client.Object) []string {
	out := make([]string, 0, len(all))
	for _, o := range all {
		out = append(out, key(o)+" "+string(o.GetUID()))
	}
	slices.Sort(out)
	return out
}
