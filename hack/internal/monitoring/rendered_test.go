// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
	"github.com/csi-operator/csi-operator/hack/internal/repo"
)

// object is what every object has.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	text []byte
}

func root(t *testing.T) string {
	t.Helper()
	root, err := repo.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root(t)}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// render returns what kubectl makes of a folder, by kind; no kind comes twice.
func render(t *testing.T, dir string) map[string]object {
	t.Helper()
	cache, err := build.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := build.New(root(t), cache, progress.New(t.Output(), progressInterval)).Built(t.Context(), build.Kubernetes())
	if err != nil {
		t.Fatal(err) // it says what to run
	}
	command := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl"), "kustomize", dir)
	command.Stderr = t.Output()
	output, err := command.Output()
	if err != nil {
		t.Fatalf("rendering %s: %v", dir, err)
	}
	objects := map[string]object{}
	for document := range bytes.SplitSeq(output, []byte("\n---\n")) {
		o := object{text: document}
		if err := yaml.Unmarshal(document, &o); err != nil {
			t.Fatal(err)
		}
		if _, twice := objects[o.Kind]; twice {
			t.Fatalf("%s has two objects of kind %s", dir, o.Kind)
		}
		objects[o.Kind] = o
	}
	return objects
}

// decode reads an object strictly: a field that its type lacks is an error.
func decode[T any](t *testing.T, objects map[string]object, kind string) T {
	t.Helper()
	var into T
	if err := yaml.UnmarshalStrict(objects[kind].text, &into); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return into
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestOverlay renders the example of docs/monitoring.md beside the folder it is about.
func TestOverlay(t *testing.T) {
	var example string
	for _, block := range yamlBlock.FindAllStringSubmatch(read(t, "docs", "monitoring.md"), -1) {
		if strings.Contains(block[1], "kind: Kustomization") {
			example = block[1]
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "config", "prometheus"), os.DirFS(filepath.Join(root(t), "config", "prometheus"))); err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay")
	if err := os.Mkdir(overlay, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	objects := render(t, overlay)
	for _, kind := range []string{"PrometheusRule", "ServiceMonitor"} {
		if got := objects[kind].Metadata.Labels["release"]; got != "kube-prometheus-stack" {
			t.Errorf("%s has the label release=%q", kind, got)
		}
	}
	for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
		if !strings.Contains(string(objects[kind].text), "name: kube-prometheus-stack-prometheus\n") {
			t.Errorf("%s is not for the account of the example:\n%s", kind, objects[kind].text)
		}
	}
}
