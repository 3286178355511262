// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// Workshop builds images of one working tree.
type Workshop struct {
	root, cache, version string
	builder              *build.Builder
	printer              *progress.Printer
}

// NewWorkshop returns a Workshop for the working tree at root, whose own images
// get the tag "v" and version. Archives are kept below cache.
func NewWorkshop(root, cache, version string, builder *build.Builder, printer *progress.Printer) Workshop {
	return Workshop{root: root, cache: cache, version: version, builder: builder, printer: printer}
}

// Build builds the image of the recipe, unless it is there already, and returns
// the path of its archive.
func (w Workshop) Build(ctx context.Context, r Recipe) (string, error) {
	name, err := r.Name(w.root, w.version)
	if err != nil {
		return "", fmt.Errorf("naming image %q: %w", r.Short, err)
	}
	var archive string
	err = w.printer.Step("image "+name, func() error {
		made, err := r.make(ctx, w, name)
		if err != nil {
			return err
		}
		archive, err = made.Archive(filepath.Join(w.cache, "images"), runtime.GOARCH)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("building image %q: %w", name, err)
	}
	return archive, nil
}

// own compiles the command pkg of the root module, with the project's version in it.
func (w Workshop) own(ctx context.Context, pkg string) (string, error) {
	const variable = "github.com/csi-operator/csi-operator/internal/version.Version"
	return w.command(ctx, pkg, "-X "+variable+"="+w.version)
}

// command compiles the command pkg of the root module.
func (w Workshop) command(ctx context.Context, pkg, ldflags string) (string, error) {
	if _, err := os.Stat(filepath.Join(w.root, pkg)); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the working tree %q has no command %s yet", w.root, pkg)
	}
	return w.compile(ctx, ".", pkg, ldflags)
}

// compile builds the command pkg of the module in the folder module of the
// working tree. Trees do not share their binaries.
func (w Workshop) compile(ctx context.Context, module, pkg, ldflags string) (string, error) {
	tree := sha256.Sum256([]byte(w.root))
	dir := filepath.Join(w.cache, "commands-"+hex.EncodeToString(tree[:])[:12])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a folder for binaries: %w", err)
	}
	out := filepath.Join(dir, filepath.Base(pkg))
	ldflags = strings.TrimSpace("-s -w " + ldflags)
	return out, w.builder.Static(ctx, filepath.Join(w.root, module), "./"+pkg, out, ldflags)
}

func (w Workshop) sidecar(ctx context.Context, command string) (string, error) {
	dir, err := w.builder.Ensure(ctx, build.Sidecars())
	return filepath.Join(dir, command), err
}

// unpacked returns the files of a tool set, which is unpacked once per list of
// programs and packages.
func (w Workshop) unpacked(ctx context.Context, name string, set toolSet) (map[string]File, error) {
	list := sha256.Sum256(fmt.Appendf(nil, "%v %s", set, runtime.GOARCH))
	folder := name + "-" + hex.EncodeToString(list[:])[:12]
	dir, err := build.Cached(ctx, w.cache, folder, func(dir string) error { return set.unpack(ctx, dir) })
	if err != nil {
		return nil, err
	}
	files := map[string]File{}
	root := filepath.Join(dir, imageFolder)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files[strings.TrimPrefix(path, root)] = File{Copy: path}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the files of %q: %w", name, err)
	}
	return files, nil
}
