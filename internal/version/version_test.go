// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package version

import (
	"os"
	"regexp"
	"testing"
)

// TestManifest ties the images that config/manager names to this version.
func TestManifest(t *testing.T) {
	text, err := os.ReadFile("../../config/manager/manager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	images := regexp.MustCompile(`ghcr\.io/csi-operator/([a-z-]+):(\S+)`).FindAllStringSubmatch(string(text), -1)
	if len(images) != 2 {
		t.Fatalf("found the images %q, want the operator's and the driver's", images)
	}
	for _, image := range images {
		if want := "v" + Version; image[2] != want {
			t.Errorf("the manifest has %s:%s, want %s", image[1], image[2], want)
		}
	}
}
