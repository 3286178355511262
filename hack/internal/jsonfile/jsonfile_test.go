// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jsonfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteKeepsTheFileIfItFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.json")
	if err := Write(path, map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, func() {}); err == nil {
		t.Error("a function was written as JSON")
	}
	if err := os.Mkdir(path+".tmp", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, map[string]int{"a": 2}); err == nil {
		t.Error("no error although the temporary file cannot be written")
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "{\n  \"a\": 1\n}\n" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}
