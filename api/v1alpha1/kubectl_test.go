// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"
)

// maxCRD is well below the 256 KiB that all annotations of an object may have, of which
// kubectl apply takes one for the whole CRD as compact JSON.
const maxCRD = 200 << 10

const crdFile = "../../config/crd/bases/csi-operator.io_csidriverdeployments.yaml"

func TestCRDIsSmallEnough(t *testing.T) {
	text, err := os.ReadFile(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(compact) > maxCRD {
		t.Errorf("%d bytes of compact JSON, want at most %d", len(compact), maxCRD)
	}
}

// TestKubectl applies the CRD as users do, and asks it to explain fields of ours.
func TestKubectl(t *testing.T) {
	if out, err := kubectl("apply", "-f", crdFile); err != nil || !strings.Contains(out, "configured") {
		t.Fatalf("apply: %v: %s", err, out)
	}
	for field, want := range map[string]string{
		"spec.capabilities":                          "<Service>/<NAME>",
		"spec.controller.sidecars.attacher.timeout":  "timeout of calls to the driver",
		"spec.nodes.kubeletMounts.path":              "below kubeletRootDir",
		"spec.storageClasses.secrets.nodeStage.name": "name of the Secret",
		"spec.rbac.controller":                       "rules of a ClusterRole",
		"status.hostPorts.port":                      "port number",
	} {
		var out string
		err := wait.PollUntilContextTimeout(t.Context(), time.Second, time.Minute, true, func(context.Context) (bool, error) {
			var err error
			out, err = kubectl("explain", "csidriverdeployments."+field)
			return err == nil, nil // the API server publishes a new schema a moment later
		})
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("explain %s: %v, want %q in:\n%s", field, err, want, out)
		}
	}
}

func kubectl(args ...string) (string, error) {
	out, err := exec.Command(kubectlPath(), append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	return string(out), err
}

func kubectlPath() string { return filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl") }
