// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package repo finds this project's working tree and reads what it says about itself.
package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

var (
	rootModule = regexp.MustCompile(`(?m)^module github\.com/csi-operator/csi-operator$`)
	versionVar = regexp.MustCompile(`(?m)^var Version = "([^"]+)"$`)
)

// Root returns the folder of the root module that dir lies in.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("making %q absolute: %w", dir, err)
	}
	for current := dir; ; current = filepath.Dir(current) {
		content, err := os.ReadFile(filepath.Join(current, "go.mod"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for the project's go.mod: %w", err)
		}
		if rootModule.Match(content) {
			return current, nil
		}
		if current == filepath.Dir(current) {
			return "", fmt.Errorf("%q is not inside a working tree of csi-operator: change into it or give --root", dir)
		}
	}
}

// Version returns the release that the working tree at root is at, without a "v".
func Version(root string) (string, error) {
	path := filepath.Join(root, "internal", "version", "version.go")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the project's version: %w", err)
	}
	match := versionVar.FindSubmatch(content)
	if match == nil {
		return "", fmt.Errorf("reading the project's version: %q has no line: var Version = \"…\"", path)
	}
	return string(match[1]), nil
}
