// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBindElsewhere: a target that shows another folder is left alone.
func TestBindElsewhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root: mounts")
	}
	dir := t.TempDir()
	folder, other, target := filepath.Join(dir, "folder"), filepath.Join(dir, "other"), filepath.Join(dir, "target")
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.Mkdir(other, 0o700))
	must(t, bind(folder, target, false))
	t.Cleanup(func() { must(t, unbind(target)) })
	if err := bind(other, target, false); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("got error %v", err)
	}
	if same, err := sameFolder(folder, target); err != nil || !same {
		t.Errorf("the target shows the folder: %t, %v", same, err)
	}
}
