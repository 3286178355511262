// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// replaced is a driver without anything that stands in the way of its parts' coming and
// going.
const replaced = `
source: Custom
capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/CREATE_DELETE_SNAPSHOT]
driver: {image: "registry.example.com/d:v1"}
sidecars: {snapshotter: {enabled: true}}
nodes: [{name: node}]
storageClasses:
- name: CLASS
`

// replacement is what comes of an edit that makes objects anew, or that the API server
// refuses for them.
type replacement struct {
	row

	// without is taken out of the spec of the driver first.
	without string
	// refusal is part of what Applied says; nothing changes then.
	refusal string
}

func replacing() map[string]replacement {
	const sidecars = "sidecars: {snapshotter: {enabled: true}}"
	perNode := []string{
		ofController, ofNode, "ClusterRole/controller", "Role/controller",
		"ServiceAccount/node", "ClusterRole/node", "ClusterRoleBinding/node",
	}
	all := []string{
		"-" + ofController, "-PodDisruptionBudget/controller", "-ServiceAccount/controller", "-ClusterRole/controller",
		"-ClusterRoleBinding/controller", "-Role/controller", "-RoleBinding/controller",
	}
	return map[string]replacement{
		"controller.workloadName": {row: changes("other", ofController)},
		"nodes.workloadName":      {row: changes("other", ofNode+"*")},
		"controller.serviceAccountName": {
			row: changes("other-account", ofController, "ServiceAccount/controller", "ClusterRoleBinding/controller", "RoleBinding/controller"),
		},
		"nodes.serviceAccountName":                    {row: changes("other-account", ofNode, "ServiceAccount/node")},
		"controller.selectorLabels":                   {row: changes("{app: x}"), refusal: "spec.selector"},
		"nodes.selectorLabels":                        {row: changes("{app: x}"), refusal: "spec.selector"},
		"controller.podDisruptionBudget.minAvailable": {row: changes("1", "PodDisruptionBudget/controller")},
		"nodes.name":                                  {row: changes("third", "-"+ofNode, "-ServiceAccount/node", "DaemonSet/third", "ServiceAccount/third")},
		"controller.disabled":                         {row: changes("true", all...), without: sidecars},
		"layout":                                      {row: changes("SinglePod", ofController, "-PodDisruptionBudget/controller", "-"+ofNode, "-ServiceAccount/node"), without: "nodes: [{name: node}]"},
		"sidecars.provisioner.placement":              {row: changes("Node", perNode...)},
		"sidecars.snapshotter.placement":              {row: changes("Node", perNode...)},
		"storageClasses.name":                         {row: changes("other-class", "StorageClass/")},
		"storageClasses.parameters":                   {row: changes("{a: b}"), refusal: "parameters"},
		"storageClasses.reclaimPolicy":                {row: changes("Retain"), refusal: "reclaimPolicy"},
		"storageClasses.volumeBindingMode": {
			row: changes("WaitForFirstConsumer"), refusal: "volumeBindingMode",
		},
	}
}

// TestFieldsThatReplace edits a field once on a living object, and takes it back.
func TestFieldsThatReplace(t *testing.T) {
	for path, r := range replacing() {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			d := installed(t, func(d *v1alpha1.CSIDriverDeployment) {
				d.Name = strings.ReplaceAll(d.Name, ".", "-")
				spec := strings.ReplaceAll(replaced, "CLASS", d.Name)
				if !strings.Contains(spec, r.without) {
					t.Fatalf("the spec has no %q", r.without)
				}
				d.Spec = v1alpha1.CSIDriverDeploymentSpec{}
				if err := yaml.UnmarshalStrict([]byte(strings.Replace(spec, r.without, "", 1)), &d.Spec); err != nil {
					t.Fatal(err)
				}
				d.Spec.Namespace = "ns-" + d.Name
			})
			rollOut(t, d)
			awaitCalm(t, cluster.operator, d)
			e := editor{d: d, unedited: refresh(t, d).Spec, before: specsOf(t, d), collects: true}
			e.edit(t, path, r.row)
			if r.refusal != "" {
				message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonApplyRefused)
				if !strings.Contains(message, r.refusal) {
					t.Errorf("the message does not tell of %s: %s", r.refusal, message)
				}
			}
			e.restore(t)
			awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
		})
	}
}

// collect plays the garbage collector: what is deleted in the foreground goes.
func collect(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	for _, o := range owned(t, d.Name, desired.KindsNamed("Deployment", "StatefulSet", "DaemonSet")...) {
		if slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents) {
			merge(t, &o, map[string]any{"metadata": map[string]any{"finalizers": nil}})
		}
	}
}
