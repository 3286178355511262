// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSidecarVersions ties the names of the sidecars' images to the modules that
// they are built from: an image's name must tell what runs in it.
func TestSidecarVersions(t *testing.T) {
	text, err := os.ReadFile("../../build/sidecars/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	modules := regexp.MustCompile(`github\.com/kubernetes-csi/external-([a-z]+)/v\d+ (v\S+)\n`).FindAllStringSubmatch(string(text), -1)
	if len(modules) != 3 {
		t.Fatalf("found the modules %q, want three", modules)
	}
	for _, module := range modules {
		recipes, err := Select([]string{"csi-" + module[1]})
		if err != nil {
			t.Fatal(err)
		}
		if name := recipes[0].Name("0"); !strings.HasSuffix(name, ":"+module[2]) {
			t.Errorf("image %s is built from %s", name, module[2])
		}
	}
}
