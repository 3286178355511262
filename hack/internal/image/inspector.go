// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// inspectorConstant is the line that holds the inspector's version. The file is
// read, because this module does not import the root one.
var inspectorConstant = regexp.MustCompile(`(?m)^const Version = "v([^"]+)"$`)

// inspectorVersion returns the version of the inspector of the working tree at root,
// without "v". It is the inspector's own: a release of the operator that leaves the
// inspector as it is keeps its image.
func inspectorVersion(root string) (string, error) {
	path := filepath.Join(root, "internal", "inspect", "version.go")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the inspector's version: %w", err)
	}
	match := inspectorConstant.FindSubmatch(content)
	if match == nil {
		return "", fmt.Errorf("reading the inspector's version: %q has no line: const Version = \"v…\"", path)
	}
	return string(match[1]), nil
}

// inspector runs as root, to whom the driver's socket may belong. The project's
// version is left out of it: its content must not change without its tag.
func inspector(ctx context.Context, w Workshop, name string) (Image, error) {
	binary, err := w.command(ctx, "cmd/csi-inspector", "")
	return single(name, binary, "/csi-inspector"), err
}
