// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestNewObjectIsInProgress: no operator has looked at it, and it has no condition. So is
// one whose status somebody has emptied.
func TestNewObjectIsInProgress(t *testing.T) {
	d := &v1alpha1.CSIDriverDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "new.example.com"},
		Spec: v1alpha1.CSIDriverDeploymentSpec{
			Bundled: &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pool"},
		},
	}
	if err := server.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	wantInProgress(t, d.Name)
	seen := d.DeepCopy()
	seen.Status.ObservedGeneration = d.Generation
	if err := server.Status().Update(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	emptied := client.RawPatch("application/merge-patch+json", []byte(`{"status": null}`))
	if err := server.Status().Patch(t.Context(), seen, emptied); err != nil {
		t.Fatal(err)
	}
	wantInProgress(t, d.Name)
	if out, err := kubectl("wait", "--for=condition=Ready", "--timeout=0", "csidd/"+d.Name); err == nil {
		t.Errorf("kubectl does not wait for it: %s", out)
	}
}

func wantInProgress(t *testing.T, name string) {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	if err := server.Get(t.Context(), client.ObjectKey{Name: name}, u); err != nil {
		t.Fatal(err)
	}
	result, err := status.Compute(u)
	if err != nil {
		t.Fatal(err)
	}
	if result.Status != status.InProgressStatus {
		t.Errorf("kstatus says %s of %v", result.Status, u.Object["status"])
	}
}

// TestHealthScriptOfArgoCD runs the command of docs/gitops.md, which adds the script to a
// ConfigMap that others have filled.
func TestHealthScriptOfArgoCD(t *testing.T) {
	const file = "config/argocd/health.lua"
	typed, err := client.New(restConfig, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "argocd-cm"}, Data: map[string]string{"url": "https://argocd.example.com"}}
	for _, o := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: settings.Namespace}}, settings} {
		if err := typed.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // again for a newer script
		shell := exec.Command("sh", "-c", strings.ReplaceAll(documented(t, "kubectl create configmap"), "kubectl ", kubectlPath()+" "))
		shell.Dir, shell.Env = "../..", append(os.Environ(), "KUBECONFIG="+kubeconfig)
		if out, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := typed.Get(t.Context(), client.ObjectKeyFromObject(settings), settings); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	if settings.Data["resource.customizations.health.csi-operator.io_CSIDriverDeployment"] != string(script) || settings.Data["url"] == "" || len(settings.Data) != 2 {
		t.Errorf("the ConfigMap has %v", settings.Data)
	}
}

// documented is the command of docs/gitops.md that begins in some way.
func documented(t *testing.T, beginning string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if command, found := strings.CutPrefix(line, "$ "); found && strings.HasPrefix(command, beginning) {
			return command
		}
	}
	t.Fatalf("docs/gitops.md has no command %q", beginning)
	return ""
}
