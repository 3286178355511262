// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// unknown makes a driver of another source that is asked for its capabilities.
func unknown(d *v1alpha1.CSIDriverDeployment) {
	d.Spec.Bundled = nil
	d.Spec.Source = v1alpha1.SourceCustom
	d.Spec.Driver.Image = "registry.example.com/driver:v1"
}

// answers plays the inspector.
func answers(t *testing.T, d *v1alpha1.CSIDriverDeployment, answer string) {
	t.Helper()
	m := &corev1.ConfigMap{}
	m.Namespace, m.Name = d.Spec.Namespace, desired.Name(d.Name, "capabilities")
	merge(t, m, map[string]any{"data": map[string]any{sidecar.InspectorAnswer: answer}})
}

// keyIn is the key that the controller pods would write now.
func keyIn(t *testing.T, d *v1alpha1.CSIDriverDeployment) string {
	t.Helper()
	for _, c := range deployment(t, d).Spec.Template.Spec.Containers {
		if key, given := sidecar.Flag(c.Args, "key"); given && c.Name == sidecar.InspectorContainer {
			return key
		}
	}
	t.Fatal("no inspector runs")
	return ""
}

func answerOfKey(key, driver string, capabilities ...string) string {
	return fmt.Sprintf(`{"key":%q,"driver":%q,"version":"v1.2.3","capabilities":["%s"]}`, key, driver, strings.Join(capabilities, `","`))
}

// containersIn are the containers of the controller.
func containersIn(t *testing.T, d *v1alpha1.CSIDriverDeployment) (names []string) {
	t.Helper()
	for _, c := range deployment(t, d).Spec.Template.Spec.Containers {
		names = append(names, c.Name)
	}
	return names
}

func awaitContainers(t *testing.T, d *v1alpha1.CSIDriverDeployment, want ...string) {
	t.Helper()
	await(t, "containers of "+d.Name, func() error {
		if diff := cmp.Diff(want, containersIn(t, d)); diff != "" {
			return fmt.Errorf("-want, +got:\n%s", diff)
		}
		return nil
	})
}

// settled plays the controllers of Kubernetes: every pod is of the newest template.
func settled(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	o := deployment(t, d)
	o.Status = appsv1.DeploymentStatus{ObservedGeneration: o.Generation, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2}
	updateStatus(t, o)
}

// resizes tells whether the controller may do what only the resizer does.
func resizes(t *testing.T, d *v1alpha1.CSIDriverDeployment) bool {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	read(t, client.ObjectKey{Name: desired.NamesOf(d.Name).Controller}, role)
	return slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "persistentvolumeclaims/status") })
}

// TestDiscovery is the whole life of an answer.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown)
	awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionFalse, v1alpha1.ReasonNotAsked)
	awaitKinds(t, d, "ServiceAccount", "ConfigMap", "Role", "RoleBinding", "Deployment", "PodDisruptionBudget")
	key := keyIn(t, d)

	answers(t, d, answerOfKey(key, d.Name, sidecar.ControllerService, sidecar.CreateVolume))
	message := awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionTrue, v1alpha1.ReasonKnown)
	if !strings.Contains(message, "2 capabilities that the driver reported") {
		t.Errorf("message: %s", message)
	}
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe", "csi-inspector")
	await(t, "the driver is installed", func() error {
		return cluster.Get(t.Context(), client.ObjectKey{Name: d.Name}, &storagev1.CSIDriver{})
	})
	now := refresh(t, d).Status.Driver
	wantStatus := v1alpha1.DriverStatus{
		Name: d.Name, Image: "registry.example.com/driver:v1", Version: "v1.2.3",
		Capabilities: []string{sidecar.CreateVolume, sidecar.ControllerService}, CapabilitiesKey: key,
		Reported: []string{sidecar.CreateVolume, sidecar.ControllerService},
	}
	if diff := cmp.Diff(wantStatus, now); diff != "" {
		t.Errorf("status.driver: -want, +got:\n%s", diff)
	}

	// What comes and what goes is taken over at once; rights go with the last old pod.
	answers(t, d, answerOfKey(key, d.Name, sidecar.CreateVolume, sidecar.ControllerExpand))
	awaitContainers(t, d, "driver", "csi-provisioner", "csi-resizer", "livenessprobe", "csi-inspector")
	settled(t, d)
	answers(t, d, answerOfKey(key, d.Name, sidecar.CreateVolume))
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe", "csi-inspector")
	awaitCalm(t, cluster.operator, d)
	if !resizes(t, d) {
		t.Error("the resizer of an old pod has lost its rights")
	}
	settled(t, d)
	await(t, "the rights of the resizer go", func() error {
		if resizes(t, d) {
			return errors.New("they are still there")
		}
		return nil
	})

	// Another driver container has not said anything yet: what was said holds.
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Driver.Image = "registry.example.com/driver:v2" })
	await(t, "the new container is asked", func() error {
		if keyIn(t, d) == key {
			return fmt.Errorf("the key is still %s", key)
		}
		return nil
	})
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe", "csi-inspector")
	message = awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionTrue, v1alpha1.ReasonKnown)
	if !strings.Contains(message, "the 1 capabilities that held before") {
		t.Errorf("message: %s", message)
	}

	// The spec takes over, and is compared with what was said.
	answers(t, d, answerOfKey(keyIn(t, d), d.Name, sidecar.CreateVolume, sidecar.ControllerService))
	await(t, "the new answer is known", func() error {
		if got, want := refresh(t, d).Status.Driver.CapabilitiesKey, keyIn(t, d); got != want {
			return fmt.Errorf("the key is %q, want %q", got, want)
		}
		return nil
	})
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.Capabilities = []string{sidecar.ControllerService, sidecar.ControllerExpand}
	})
	message = awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionFalse, v1alpha1.ReasonDiffers)
	if want := "only reported [Controller/CREATE_DELETE_VOLUME], only in the spec [Controller/EXPAND_VOLUME]"; !strings.Contains(message, want) {
		t.Errorf("message: %s\nwant …%s", message, want)
	}
	awaitContainers(t, d, "driver", "csi-resizer", "livenessprobe")
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "Deployment", "DaemonSet", "PodDisruptionBudget")

	// And back: what is installed stays until the driver has said something.
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Capabilities = nil })
	awaitContainers(t, d, "driver", "csi-resizer", "livenessprobe", "csi-inspector")
	awaitKinds(t, d, "ServiceAccount", "ServiceAccount", "ConfigMap", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CSIDriver", "Deployment", "DaemonSet", "PodDisruptionBudget")
}

// TestCapabilitiesThatNeverHeld are no answer of the driver: they were in a plan only.
func TestCapabilitiesThatNeverHeld(t *testing.T) {
	t.Parallel()
	d := driver(t, unknown, func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.Capabilities = []string{sidecar.CreateVolume}
		d.Spec.ManagementState = v1alpha1.PlanOnly
	})
	createNamespace(t, d.Spec.Namespace)
	create(t, d)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonPlanOnly)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.Capabilities, s.ManagementState = nil, v1alpha1.Managed
	})
	awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionFalse, v1alpha1.ReasonNotAsked)
	awaitKinds(t, d, "ServiceAccount", "ConfigMap", "Role", "RoleBinding", "Deployment", "PodDisruptionBudget")
}

// TestLostStatus, as after a restore: what runs tells what the driver can do.
func TestLostStatus(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown, func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Capabilities = []string{sidecar.CreateVolume} })
	before := kindsOf(t, d)
	lost := refresh(t, d)
	lost.Status = v1alpha1.CSIDriverDeploymentStatus{}
	updateStatus(t, lost)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Capabilities = nil })
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe", "csi-inspector")
	awaitCalm(t, cluster.operator, d)
	for _, kind := range before {
		if !slices.Contains(kindsOf(t, d), kind) {
			t.Errorf("%s is gone", kind)
		}
	}
}

// TestADriverThatCanDoNothing is known to.
func TestADriverThatCanDoNothing(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown)
	answers(t, d, fmt.Sprintf(`{"key":%q,"driver":%q,"version":"v1","capabilities":[]}`, keyIn(t, d), d.Name))
	awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionTrue, v1alpha1.ReasonKnown)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Driver.Image = "registry.example.com/driver:v2" })
	awaitCalm(t, cluster.operator, d)
	if kinds := strings.Join(kindsOf(t, d), " "); !strings.Contains(kinds, "CSIDriver/") || !strings.Contains(kinds, "DaemonSet/") {
		t.Errorf("what was installed is gone with the next image: %s", kinds)
	}
}

// TestAnswersOfOthers: the answer is in the ConfigMap of that name only.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown)
	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "aaa", Namespace: d.Spec.Namespace, Labels: desired.Labels(d.Name, v1alpha1.ComponentController)},
		Data:       map[string]string{sidecar.InspectorAnswer: answerOfKey(keyIn(t, d), d.Name, sidecar.CreateVolume)},
	})
	awaitCalm(t, cluster.operator, d)
	awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionFalse, v1alpha1.ReasonNotAsked)
}

// TestBadAnswers are told, and change nothing.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	d := installed(t, unknown)
	key := keyIn(t, d)
	cases := []struct{ answer, reason, message string }{
		{fmt.Sprintf(`{"key":%q,"problem":"the driver does not answer at its socket"}`, key), v1alpha1.ReasonNoAnswer, "the driver does not answer at its socket"},
		{fmt.Sprintf(`{"key":%q,"driver":%q,"problem":"the driver reports no capability"}`, key, d.Name), v1alpha1.ReasonNoAnswer, "the driver reports no capability"},
		{answerOfKey(key, "other.example.com", sidecar.CreateVolume), v1alpha1.ReasonDiffers, `the driver calls itself "other.example.com"; metadata.name must be that`},
		{"{", v1alpha1.ReasonNoAnswer, "the answer cannot be read"},
		{strings.Repeat(" ", maxAnswer+1), v1alpha1.ReasonNoAnswer, "the answer has 4097 bytes, more than 4096"},
		{answerOfKey("another", d.Name, sidecar.CreateVolume), v1alpha1.ReasonNotAsked, "waiting for a controller pod"},
	}
	for _, tc := range cases {
		answers(t, d, tc.answer)
		await(t, tc.message, func() error {
			message := awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionFalse, tc.reason)
			if !strings.Contains(message, tc.message) {
				return fmt.Errorf("message: %s", message)
			}
			return nil
		})
		if diff := cmp.Diff([]string{"driver", "livenessprobe", "csi-inspector"}, containersIn(t, d)); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", tc.answer, diff)
		}
	}
	// A driver without a version works, and is told.
	answers(t, d, fmt.Sprintf(`{"key":%q,"driver":%q,"capabilities":[%q,"Controller/UNKNOWN_99"],"problem":"the driver reports no version"}`, key, d.Name, sidecar.CreateVolume))
	awaitContainers(t, d, "driver", "csi-provisioner", "livenessprobe", "csi-inspector")
	awaitCondition(t, d, v1alpha1.ConditionCapabilitiesMatch, metav1.ConditionFalse, v1alpha1.ReasonNoAnswer)
	if got := refresh(t, d).Status.Driver.Capabilities; !slices.Equal(got, []string{sidecar.CreateVolume}) {
		t.Errorf("capabilities are %q", got)
	}
}
