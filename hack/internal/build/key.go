// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// keyLength is how many hexadecimal digits of a hash name a cache folder.
const keyLength = 12

// key names one exact build: it changes with the module's pins and sources, the
// compiler and the arguments given to it.
func key(moduleDir string, with ...string) (string, error) {
	files, err := filepath.Glob(filepath.Join(moduleDir, "*.go"))
	if err != nil {
		return "", fmt.Errorf("listing %q: %w", moduleDir, err)
	}
	files = append(files, filepath.Join(moduleDir, "go.mod"), filepath.Join(moduleDir, "go.sum"))
	slices.Sort(files)
	hash := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("hashing %q: %w", moduleDir, err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(content), content)
	}
	for _, part := range with {
		fmt.Fprintf(hash, "%d %s\n", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))[:keyLength], nil
}
