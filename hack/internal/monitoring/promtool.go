// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/debian"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// progressInterval is how often a download that lasts says that it does.
const progressInterval = 15 * time.Second

// promtool returns the path of promtool, which comes of Debian's package prometheus. It is
// unpacked into the cache, once per version; nothing is installed.
func promtool(ctx context.Context, cache string, printer *progress.Printer) (string, error) {
	version, err := debian.Version(ctx, "prometheus")
	if err != nil {
		return "", err
	}
	dir, err := build.Cached(ctx, cache, "promtool-"+version, func(dir string) error {
		return printer.Step("downloading promtool "+version, func() error { return unpack(ctx, dir) })
	})
	return filepath.Join(dir, "promtool"), err
}

// unpack puts promtool into dir, and nothing else.
func unpack(ctx context.Context, dir string) error {
	root, err := debian.Unpack(ctx, dir, "prometheus")
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(root, "usr", "bin", "promtool"), filepath.Join(dir, "promtool")); err != nil {
		return fmt.Errorf("looking for promtool in its package: %w", err)
	}
	return errors.Join(os.RemoveAll(root), os.RemoveAll(filepath.Join(dir, "packages")))
}
