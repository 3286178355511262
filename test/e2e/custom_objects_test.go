// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/version"
)

const (
	// customNamespace holds the drivers of another source, and their claims.
	customNamespace = "e2e-custom"
	// content is what a volume and its copies hold.
	content = "kept-by-another"
	// groupLabel is on claims that are put into one group snapshot.
	groupLabel = "e2e-group"
)

// testDriverImage is test/driver of this tree.
var testDriverImage = environment("TEST_DRIVER_IMAGE", "ghcr.io/csi-operator/csi-test-driver:v"+version.Version)

// able is what the driver that works can do.
var able = []string{
	"Identity/CONTROLLER_SERVICE", "Identity/GROUP_CONTROLLER_SERVICE",
	"Controller/CREATE_DELETE_VOLUME", "Controller/PUBLISH_UNPUBLISH_VOLUME", "Controller/EXPAND_VOLUME",
	"Controller/CREATE_DELETE_SNAPSHOT", "Controller/CLONE_VOLUME", "Controller/VOLUME_CONDITION",
	"GroupController/CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT",
}

// claiming is the flag of the test driver by which it claims capabilities.
func claiming(capabilities ...string) string {
	return "--capabilities=" + strings.Join(capabilities, ",")
}

// testDriver is a deployment of the test driver, with flags for all its processes. Its
// volumes are folders of one directory that all nodes share.
func testDriver(name string, flags ...string) *v1alpha1.CSIDriverDeployment {
	d := &v1alpha1.CSIDriverDeployment{}
	d.Name = name
	d.Spec.Source = v1alpha1.SourceCustom
	d.Spec.Namespace = customNamespace
	d.Spec.Driver.Image = testDriverImage
	d.Spec.Driver.Container = fragment(`{"volumeMounts":[{"name":"data","mountPath":"/data"}]}`)
	d.Spec.Pod = fragment(`{"volumes":[{"name":"data","hostPath":{"path":"` + dataOf(name) + `","type":"DirectoryOrCreate"}}]}`)
	d.Spec.Controller.Driver.Args = controllerArgs(name, flags)
	node := v1alpha1.NodePool{Name: v1alpha1.DefaultNodePool}
	node.Driver.Args = append([]string{"--driver-name=" + name, "--data-dir=/data", "--controller=false", "--node-id=$(KUBE_NODE_NAME)"}, flags...)
	d.Spec.Nodes = []v1alpha1.NodePool{node}
	return d
}

// controllerArgs are the command line of a controller; of two flags of one name the later
// one counts.
func controllerArgs(name string, flags []string) []string {
	return append([]string{"--driver-name=" + name, "--data-dir=/data", "--endpoint=$(CSI_ENDPOINT)", "--node=false"}, flags...)
}

// dataOf is the directory of a driver's volumes on the nodes.
func dataOf(driver string) string {
	return environment("POOLS", "/var/lib/csi-operator-pools") + "/" + driver
}

func fragment(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

// told gives the controller of a driver other flags.
func told(t *testing.T, d *v1alpha1.CSIDriverDeployment, flags ...string) {
	t.Helper()
	changed(t, d, func() { d.Spec.Controller.Driver.Args = controllerArgs(d.Name, flags) })
}

// changed changes the spec of a deployment.
func changed(t *testing.T, d *v1alpha1.CSIDriverDeployment, change func()) {
	t.Helper()
	get(t, d)
	patch := client.MergeFrom(d.DeepCopy())
	change()
	if err := shared.Patch(t.Context(), d, patch); err != nil {
		t.Fatalf("changing %s: %v", d.Name, err)
	}
}

// claimOf asks for a volume of a driver whose class has its name.
func claimOf(d *v1alpha1.CSIDriverDeployment, name, size string) *corev1.PersistentVolumeClaim {
	c := claim(name, classOf(d), size)
	c.Namespace = customNamespace
	return c
}

// privilegedNamespace takes the pods of CSI drivers.
func privilegedNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"},
	}}
}
