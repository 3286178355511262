// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRootAndVersion(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(root, "hack", "internal")
	version := filepath.Join(root, "internal", "version")
	for _, dir := range []string{inner, version} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, content := range map[string]string{
		filepath.Join(root, "go.mod"):         "module github.com/csi-operator/csi-operator\n",
		filepath.Join(root, "hack", "go.mod"): "module github.com/csi-operator/csi-operator/hack\n",
		filepath.Join(version, "version.go"):  "package version\n\nvar Version = \"1.2.3\"\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Root(inner)
	if err != nil || got != root {
		t.Errorf("root %q, %v, want %q", got, err, root)
	}
	if got, err := Version(root); err != nil || got != "1.2.3" {
		t.Errorf("version %q, %v", got, err)
	}
}

func TestOutsideOfATree(t *testing.T) {
	dir := t.TempDir()
	if root, err := Root(dir); err == nil {
		t.Errorf("found %q", root)
	}
	if version, err := Version(dir); err == nil {
		t.Errorf("found %q", version)
	}
}
