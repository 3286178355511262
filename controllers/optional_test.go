// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// snapshotCRDs is the folder of the CustomResourceDefinitions of snapshots.
func snapshotCRDs(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kubernetes-csi/external-snapshotter/client/v8").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)) + "/config/crd"
}

// TestLateKinds runs alone: kinds come to the cluster that other tests count on not to be
// there, and go again. The operator runs on.
func TestLateKinds(t *testing.T) {
	d := installed(t, unknown, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.Capabilities = []string{sidecar.CreateVolume, sidecar.CreateSnapshot}
		d.Spec.VolumeSnapshotClasses = []v1alpha1.VolumeSnapshotClass{{Name: d.Name, Default: true}}
		d.Spec.VolumeGroupSnapshotClasses = []v1alpha1.VolumeGroupSnapshotClass{{Name: d.Name, Parameters: map[string]string{"a": "b"}}}
		d.Spec.VolumeAttributesClasses = []v1alpha1.VolumeAttributesClass{{Name: d.Name, Parameters: map[string]string{"a": "b"}}}
	})
	message := awaitCondition(t, d, v1alpha1.ConditionClassesInSync, metav1.ConditionFalse, v1alpha1.ReasonKindMissing)
	for _, kind := range []string{"VolumeSnapshotClass", "VolumeGroupSnapshotClass"} {
		if want := kind + " " + d.Name + ": the cluster lacks its CustomResourceDefinition"; !strings.Contains(message, want) {
			t.Errorf("message: %s, want %s", message, want)
		}
	}
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe")
	const absent = "csi-snapshotter is left out, since the cluster does not serve snapshot.storage.k8s.io/v1"
	message = awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionTrue, v1alpha1.ReasonKnown)
	if !strings.Contains(message, absent) {
		t.Errorf("message: %s, want %s", message, absent)
	}
	awaitCalm(t, cluster.operator, d)

	crds := envtest.CRDInstallOptions{Paths: []string{snapshotCRDs(t)}, ErrorIfPathMissing: true, MaxTime: patience}
	if _, err := envtest.InstallCRDs(cluster.config, crds); err != nil {
		t.Fatal(err)
	}
	awaitCondition(t, d, v1alpha1.ConditionClassesInSync, metav1.ConditionTrue, v1alpha1.ReasonServed)
	awaitContainers(t, d, "driver", "csi-provisioner", "csi-snapshotter", "livenessprobe")
	class := &unstructured.Unstructured{}
	class.SetAPIVersion("snapshot.storage.k8s.io/v1")
	class.SetKind("VolumeSnapshotClass")
	class.SetName(d.Name)
	await(t, "the class is made", func() error { return cluster.Get(t.Context(), client.ObjectKeyFromObject(class), class) })
	if got := class.GetAnnotations()["snapshot.storage.kubernetes.io/is-default-class"]; got != "true" {
		t.Errorf("is-default-class is %q", got)
	}

	// It is healed like everything else, and so is one that somebody deletes.
	merge(t, class, map[string]any{"deletionPolicy": "Retain"})
	await(t, "the class is healed", func() error {
		if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(class), class); err != nil {
			return err
		}
		if policy := class.Object["deletionPolicy"]; policy != "Delete" {
			return fmt.Errorf("deletionPolicy is %v", policy)
		}
		return nil
	})
	remove(t, class)
	await(t, "the class comes back", func() error { return cluster.Get(t.Context(), client.ObjectKeyFromObject(class), class) })

	editClasses(t, d)
	snapshotsWait(t, d)

	uninstall(t, crds)
	awaitCondition(t, d, v1alpha1.ConditionClassesInSync, metav1.ConditionFalse, v1alpha1.ReasonKindMissing)
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe")
	remove(t, d)
	// Kubernetes protects a VolumeAttributesClass that is in use; no controller runs here.
	awaitMessage(t, d, `waiting for VolumeAttributesClass "`+d.Name+`" to end`)
	merge(t, &storagev1.VolumeAttributesClass{ObjectMeta: metav1.ObjectMeta{Name: d.Name}}, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	awaitGone(t, d)
}

// editClasses edits every field of the classes of optional kinds: some can be changed, and
// a change of the others is refused.
func editClasses(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.VolumeSnapshotClasses[0].Default, s.VolumeSnapshotClasses[0].DeletionPolicy = false, v1alpha1.DeletionPolicyRetain
		s.VolumeSnapshotClasses[0].Parameters = map[string]string{"c": "d"}
		s.VolumeSnapshotClasses = append(s.VolumeSnapshotClasses, v1alpha1.VolumeSnapshotClass{Name: d.Name + "-more"})
		s.VolumeGroupSnapshotClasses[0].Default = true
		s.VolumeAttributesClasses = append(s.VolumeAttributesClasses, v1alpha1.VolumeAttributesClass{Name: d.Name + "-more", Parameters: map[string]string{"c": "d"}})
	})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	want := map[string]any{
		"VolumeSnapshotClass " + d.Name:             []any{"", "Retain", map[string]any{"c": "d"}},
		"VolumeSnapshotClass " + d.Name + "-more":   []any{"", "Delete", nil},
		"VolumeGroupSnapshotClass " + d.Name:        []any{"true", "Delete", map[string]any{"a": "b"}},
		"VolumeAttributesClass " + d.Name:           []any{"", nil, map[string]any{"a": "b"}},
		"VolumeAttributesClass " + d.Name + "-more": []any{"", nil, map[string]any{"c": "d"}},
	}
	if diff := cmp.Diff(want, optionalClasses(t, d)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}

	for field, edit := range map[string]func(*v1alpha1.CSIDriverDeploymentSpec){
		"deletionPolicy": func(s *v1alpha1.CSIDriverDeploymentSpec) {
			s.VolumeGroupSnapshotClasses[0].DeletionPolicy = v1alpha1.DeletionPolicyRetain
		},
		"parameters": func(s *v1alpha1.CSIDriverDeploymentSpec) {
			s.VolumeGroupSnapshotClasses[0].Parameters = map[string]string{"e": "f"}
		},
		"parameters are forbidden": func(s *v1alpha1.CSIDriverDeploymentSpec) {
			s.VolumeAttributesClasses[0].Parameters = map[string]string{"e": "f"}
		},
	} {
		before := refresh(t, d).Spec
		change(t, d, edit)
		message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonApplyRefused)
		if !strings.Contains(message, field) {
			t.Errorf("the message does not tell of %s: %s", field, message)
		}
		change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { *s = before })
		awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	}
	if diff := cmp.Diff(want, optionalClasses(t, d)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}

	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.VolumeSnapshotClasses = s.VolumeSnapshotClasses[:1]
		s.VolumeAttributesClasses = s.VolumeAttributesClasses[:1]
	})
	merge(t, &storagev1.VolumeAttributesClass{ObjectMeta: metav1.ObjectMeta{Name: d.Name + "-more"}}, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	await(t, "two classes go", func() error {
		if got := len(optionalClasses(t, d)); got != len(want)-2 {
			return fmt.Errorf("there are %d", got)
		}
		return nil
	})
}

// optionalClasses are the classes of optional kinds: whether each is the default, its
// deletion policy and its parameters.
func optionalClasses(t *testing.T, d *v1alpha1.CSIDriverDeployment) map[string]any {
	t.Helper()
	got := map[string]any{}
	for _, o := range owned(t, d.Name, desired.OptionalKinds()...) {
		isDefault := ""
		for key, value := range o.GetAnnotations() {
			if strings.HasSuffix(key, "/is-default-class") {
				isDefault = value
			}
		}
		got[o.GetKind()+" "+o.GetName()] = []any{isDefault, o.Object["deletionPolicy"], o.Object["parameters"]}
	}
	return got
}

// uninstall removes CustomResourceDefinitions, and waits until they are gone.
func uninstall(t *testing.T, crds envtest.CRDInstallOptions) {
	t.Helper()
	if err := envtest.UninstallCRDs(cluster.config, crds); err != nil {
		t.Fatal(err)
	}
	for _, kind := range desired.OptionalKinds() {
		if name := crdOf(kind); name != "" {
			crd := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
			crd.SetGroupVersionKind(crdKind)
			awaitGone(t, crd)
		}
	}
}

// TestChangeOfKind: the old workload is gone, with its pods, before the new one starts.
func TestChangeOfKind(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown, func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Capabilities = []string{sidecar.PublishVolume} })
	create(t, attachment(d.Name)) // which keeps no successor away
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Controller.Kind = v1alpha1.KindStatefulSet })
	message := awaitCondition(t, d, v1alpha1.ConditionChangeBlocked, metav1.ConditionTrue, v1alpha1.ReasonPending)
	if !strings.Contains(message, "takes the place of Deployment") && !strings.Contains(message, "is being deleted") {
		t.Errorf("message: %s", message)
	}
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "Deployment", "DaemonSet", "PodDisruptionBudget")
	old := deployment(t, d)
	if old.DeletionTimestamp == nil {
		t.Error("the Deployment is not about to go")
	}
	merge(t, old, map[string]any{"metadata": map[string]any{"finalizers": nil}}) // as the garbage collector does when the pods are gone
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "StatefulSet", "DaemonSet", "PodDisruptionBudget")
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

// TestTheAttacherStays as long as something is attached, with its rights.
func TestTheAttacherStays(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.Capabilities = []string{sidecar.CreateVolume, sidecar.PublishVolume}
		d.Spec.CSIDriver = &storagev1.CSIDriverSpec{AttachRequired: new(true)}
	})
	attached := attachment(d.Name)
	create(t, attached)
	before := specsOf(t, d)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.Sidecars.Attacher = &v1alpha1.SidecarSpec{Enabled: new(false)}
	})
	message := awaitCondition(t, d, v1alpha1.ConditionChangeBlocked, metav1.ConditionTrue, v1alpha1.ReasonBlocked)
	if !strings.Contains(message, "1 VolumeAttachment of the driver, e.g. "+attached.Name) && !strings.Contains(message, "after the workload") {
		t.Errorf("message: %s", message)
	}
	if changed := difference(before, specsOf(t, d)); len(changed) > 0 {
		t.Errorf("%v changed all the same", changed)
	}
	removeUnprotected(t, attached)
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe")
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

// TestAKindThatCannotBeListed is not used: the reads of every driver would wait for it.
func TestAKindThatCannotBeListed(t *testing.T) {
	kind := desired.OptionalKinds()[0]
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(kind, meta.RESTScopeRoot)
	for name, refusal := range map[string]error{"Forbidden": errors.New("forbidden"), "Listed": nil} {
		t.Run(name, func(t *testing.T) {
			live := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
				List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return refusal },
			})
			watches := 0
			o := &optional{
				mapper: mapper, live: live, watched: map[schema.GroupVersionKind]bool{},
				watch: func(schema.GroupVersionKind) error { watches++; return nil },
			}
			news, err := o.look(t.Context(), kind)
			if (err != nil) != (refusal != nil) || news != (refusal == nil) || watches > 1 || (watches == 1) != news {
				t.Errorf("news %t, %d watches, error %v", news, watches, err)
			}
			if got := slices.Contains(o.kinds(), kind); got != news || o.served().AttributesClasses != news {
				t.Errorf("it is used: %t", got)
			}
			if again, err := o.look(t.Context(), kind); again || (err != nil) != (refusal != nil) {
				t.Errorf("a second look: news %t, error %v", again, err)
			}
		})
	}
}

// TestCRDs are those of the kinds that are not of Kubernetes itself.
func TestCRDs(t *testing.T) {
	got := map[string]int{}
	for _, crd := range []string{
		"volumesnapshotclasses.snapshot.storage.k8s.io", "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io",
		"volumeattributesclasses.storage.k8s.io", "volumesnapshots.snapshot.storage.k8s.io",
	} {
		got[crd] = len(optionalKindsOf(crd))
	}
	want := map[string]int{
		"volumesnapshotclasses.snapshot.storage.k8s.io": 1, "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io": 1,
		"volumeattributesclasses.storage.k8s.io": 0, "volumesnapshots.snapshot.storage.k8s.io": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
