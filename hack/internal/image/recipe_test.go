// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nameOf returns the name of an image of the working tree at root.
func nameOf(t *testing.T, root, version, short string) string {
	t.Helper()
	recipes, err := Select([]string{short})
	if err != nil {
		t.Fatal(err)
	}
	name, err := recipes[0].Name(root, version)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSidecarVersions ties the names of the sidecars' images to the modules that
// they are built from: an image's name must tell what runs in it.
func TestSidecarVersions(t *testing.T) {
	text, err := os.ReadFile("../../build/sidecars/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	images := map[string][]string{
		"attacher":    {"csi-attacher"},
		"provisioner": {"csi-provisioner"},
		"resizer":     {"csi-resizer"},
		"snapshotter": {"csi-snapshotter", "snapshot-controller"},
	}
	modules := regexp.MustCompile(`github\.com/kubernetes-csi/external-([a-z]+)/v\d+ (v\S+)\n`).FindAllStringSubmatch(string(text), -1)
	if len(modules) != len(images) {
		t.Fatalf("found the modules %q, want one for each of %v", modules, images)
	}
	for _, module := range modules {
		for _, image := range images[module[1]] {
			if name := nameOf(t, t.TempDir(), "0", image); !strings.HasSuffix(name, "/"+image+":"+module[2]) {
				t.Errorf("image %s is built from %s", name, module[2])
			}
		}
	}
}

func TestNames(t *testing.T) {
	tree := workingTree(t)
	got := map[string]string{}
	for _, short := range []string{"pause", "csi-snapshotter", "csi-operator", "csi-test-driver", "csi-inspector"} {
		got[short] = nameOf(t, tree, "1.2.3", short)
	}
	want := map[string]string{
		"pause":           "registry.k8s.io/pause:3.10",
		"csi-snapshotter": "registry.k8s.io/sig-storage/csi-snapshotter:v8.6.0",
		"csi-operator":    "ghcr.io/csi-operator/csi-operator:v1.2.3",
		"csi-test-driver": "ghcr.io/csi-operator/csi-test-driver:v1.2.3",
		"csi-inspector":   "ghcr.io/csi-operator/csi-inspector:v0.7.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestEveryImageHasAName reads the real working tree.
func TestEveryImageHasAName(t *testing.T) {
	reference := regexp.MustCompile(`^[a-z0-9.]+/[a-z0-9/-]+:v?\d+\.\d+(\.\d+)?$`)
	for _, recipe := range Recipes() {
		if name := nameOf(t, "../../..", "1.2.3", recipe.Short); !reference.MatchString(name) {
			t.Errorf("%q is no reference of an image", name)
		}
	}
}
