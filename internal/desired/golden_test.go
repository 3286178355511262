// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "write testdata/*.golden.yaml instead of comparing")

// TestGolden shows what each input becomes. After a wanted change:
//
//	go test ./internal/desired -update && git diff internal/desired/testdata
func TestGolden(t *testing.T) {
	for _, in := range inputFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(in), ".in.yaml"), func(t *testing.T) {
			got := document(t, mustRender(t, load(t, in)))
			golden := strings.TrimSuffix(in, ".in.yaml") + ".golden.yaml"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", golden, diff)
			}
		})
	}
}

// TestSamples renders what users are told to copy.
func TestSamples(t *testing.T) {
	for _, sample := range slices.Concat(filesLike(t, "../../config/samples/pool*.yaml"), filesLike(t, "../../config/samples/drivers/*.yaml")) {
		t.Run(filepath.Base(sample), func(t *testing.T) { mustRender(t, load(t, sample)) })
	}
}

func inputFiles(t *testing.T) []string {
	t.Helper()
	return filesLike(t, "testdata/*.in.yaml")
}

func filesLike(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files
}

// load reads a CSIDriverDeployment as a user wrote it and gives it the uid
// that an API server would.
func load(t *testing.T, file string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(raw))
}

func parse(t *testing.T, text string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	var d v1alpha1.CSIDriverDeployment
	if err := yaml.UnmarshalStrict([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	d.UID = "5c0ffee5-0000-4000-8000-000000000001"
	return &d
}

func facts() Facts {
	return Facts{
		OperatorNamespace: "csi-operator-system",
		PoolDriverImage:   "ghcr.io/csi-operator/csi-pool-driver:v0.1.0",
		DriverVersion:     "0.1.0",
		Served:            Served{Snapshots: true, GroupSnapshots: true, AttributesClasses: true},
	}
}

func mustRender(t *testing.T, d *v1alpha1.CSIDriverDeployment) Set {
	t.Helper()
	set, err := Render(d, facts())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// document is all intents of a set as one YAML stream.
func document(t *testing.T, set Set) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, o := range set.Objects {
		text, err := yaml.Marshal(o.Intent.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return out.Bytes()
}
