// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jsonfile writes values into files that are never seen half written.
package jsonfile

import (
	"encoding/json"
	"os"
)

// Write writes value to path as JSON. A process that is killed meanwhile leaves
// the file as it was.
func Write(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, append(content, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
