// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// realBuilder builds what this working tree pins.
func realBuilder(t *testing.T) *Builder {
	t.Helper()
	return New(filepath.Join("..", "..", ".."), t.TempDir(), progress.New(io.Discard, 1<<62))
}

func TestSnapshotCRDs(t *testing.T) {
	dir, err := realBuilder(t).SnapshotCRDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.storage.k8s.io_*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, file := range files {
		name, kind := object(t, file)
		got[name] = kind
	}
	want := map[string]string{}
	for group, plurals := range map[string][]string{
		"snapshot.storage.k8s.io":      {"volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots"},
		"groupsnapshot.storage.k8s.io": {"volumegroupsnapshotclasses", "volumegroupsnapshotcontents", "volumegroupsnapshots"},
	} {
		for _, plural := range plurals {
			want[plural+"."+group] = "CustomResourceDefinition"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// object returns the name and the kind of the object in a file.
func object(t *testing.T, path string) (name, kind string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(content, &read); err != nil {
		t.Fatal(err)
	}
	return read.Metadata.Name, read.Kind
}

// TestSnapshotCRDsAreThoseOfTheirSidecars: a release of the sidecars carries the
// definitions of the very same version.
func TestSnapshotCRDsAreThoseOfTheirSidecars(t *testing.T) {
	dir := filepath.Join("..", "..", "build", "sidecars")
	sidecars, err := requiredVersion(dir, "github.com/kubernetes-csi/external-snapshotter/v8")
	if err != nil {
		t.Fatal(err)
	}
	if client, err := requiredVersion(dir, snapshotClient); err != nil || client != sidecars {
		t.Errorf("the definitions are of %s, %v, the sidecars of %s", client, err, sidecars)
	}
}

func TestAPackageThatIsNotPinnedIsNamed(t *testing.T) {
	dir, err := realBuilder(t).moduleDir(t.Context(), Sidecars(), "example.com/absent")
	if err == nil || !strings.Contains(err.Error(), "example.com/absent") || !strings.Contains(err.Error(), "no required module") {
		t.Errorf("found %q, error %v", dir, err)
	}
}
