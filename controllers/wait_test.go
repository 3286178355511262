// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestKubectlWait asks kubectl itself, at each of three states of a driver.
func TestKubectlWait(t *testing.T) {
	t.Parallel()
	kubeconfig := writeKubeconfig(t)
	d := installed(t)
	wantWaits(t, kubeconfig, d, map[string]bool{v1alpha1.ConditionReady: false, v1alpha1.ConditionReconciling: true, v1alpha1.ConditionStalled: false})
	healthy(t, d)
	wantWaits(t, kubeconfig, d, map[string]bool{v1alpha1.ConditionReady: true, v1alpha1.ConditionReconciling: false, v1alpha1.ConditionStalled: false})
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Driver.Args = []string{"--no"} })
	awaitCondition(t, d, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalid)
	wantWaits(t, kubeconfig, d, map[string]bool{v1alpha1.ConditionReady: false, v1alpha1.ConditionReconciling: false, v1alpha1.ConditionStalled: true})
}

// wantWaits looks whether kubectl wait ends at once for each condition, and whether
// endsWait, which stands for it elsewhere, says the same.
func wantWaits(t *testing.T, kubeconfig string, d *v1alpha1.CSIDriverDeployment, conditions map[string]bool) {
	t.Helper()
	read, err := asRead(refresh(t, d))
	if err != nil {
		t.Fatal(err)
	}
	for condition, want := range conditions {
		kubectl := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "--kubeconfig", kubeconfig,
			"wait", "--for=condition="+condition, "--timeout=0", "csidd/"+d.Name)
		out, err := kubectl.CombinedOutput()
		if (err == nil) != want || endsWait(read, condition) != want {
			t.Errorf("the wait for %s ends: %t, want %t: %s", condition, err == nil, want, out)
		}
	}
}

// writeKubeconfig makes a file by which kubectl finds the API server.
func writeKubeconfig(t *testing.T) string {
	t.Helper()
	const name = "test"
	config := api.NewConfig()
	config.Clusters[name] = &api.Cluster{Server: cluster.config.Host, CertificateAuthorityData: cluster.config.CAData}
	config.AuthInfos[name] = &api.AuthInfo{ClientCertificateData: cluster.config.CertData, ClientKeyData: cluster.config.KeyData}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
