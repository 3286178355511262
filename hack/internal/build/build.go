// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// Builder builds components of one working tree into one cache.
type Builder struct {
	root, cache string
	printer     *progress.Printer
}

// New returns a Builder for the working tree at root.
func New(root, cache string, printer *progress.Printer) *Builder {
	return &Builder{root: root, cache: cache, printer: printer}
}

// Ensure returns the folder that holds the binaries of c and builds them first
// if this very build is not in the cache.
func (b *Builder) Ensure(ctx context.Context, c Component) (string, error) {
	dir, err := b.Dir(ctx, c)
	if err != nil {
		return "", err
	}
	return Cached(ctx, b.cache, filepath.Base(dir), func(out string) error {
		return b.build(ctx, c, out)
	})
}

// Built returns the folder that holds the binaries of c; it is an error if
// they are not built yet.
func (b *Builder) Built(ctx context.Context, c Component) (string, error) {
	dir, err := b.Dir(ctx, c)
	if err != nil {
		return "", err
	}
	if !exists(dir) {
		return "", fmt.Errorf("%s is not built yet: run \"localcluster build --only %s\"", c.Name, c.Name)
	}
	return dir, nil
}

// Dir returns the folder that the binaries of c are in once they are built.
func (b *Builder) Dir(ctx context.Context, c Component) (string, error) {
	module := b.module(c)
	arguments, err := c.arguments(module, "")
	if err != nil {
		return "", err
	}
	compiler, err := goVersion(ctx, module)
	if err != nil {
		return "", err
	}
	key, err := key(module, append(arguments, compiler, runtime.GOARCH)...)
	if err != nil {
		return "", err
	}
	return filepath.Join(b.cache, c.Name+"-"+key), nil
}

func (b *Builder) module(c Component) string {
	return filepath.Join(b.root, "hack", "build", c.Name)
}

func (b *Builder) build(ctx context.Context, c Component, out string) error {
	arguments, err := c.arguments(b.module(c), out)
	if err != nil {
		return err
	}
	compiled := &lineCounter{}
	note := func() string { return fmt.Sprintf("(%d packages compiled)", compiled.lines.Load()) }
	err = b.printer.StepWith("building "+c.Name, note, func() error {
		return runGo(ctx, b.module(c), compiled, arguments...)
	})
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", c.Name, err, compiled.tail())
	}
	for _, link := range c.Links {
		if err := os.Symlink(c.Name, filepath.Join(out, link)); err != nil {
			return fmt.Errorf("linking %s to %s: %w", link, c.Name, err)
		}
	}
	return nil
}

// Static builds the command in the package folder pkg of the root module as a
// static binary at out, with the linker flags given. Go's own cache makes it
// quick when nothing has changed.
func (b *Builder) Static(ctx context.Context, dir, pkg, out, ldflags string) error {
	output := &lineCounter{}
	err := runGo(ctx, dir, output, "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", out, pkg)
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, output.tail())
	}
	return nil
}

func runGo(ctx context.Context, dir string, output *lineCounter, arguments ...string) error {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	command.Stdout, command.Stderr = output, output
	return command.Run()
}

func goVersion(ctx context.Context, dir string) (string, error) {
	command := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	command.Dir = dir
	version, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("asking for the version of Go: %w", err)
	}
	return strings.TrimSpace(string(version)), nil
}

// lineCounter counts the lines written to it and keeps the last bytes.
type lineCounter struct {
	lines atomic.Int64
	last  []byte
}

// tailBytes is how much of a failed command's output an error shows.
const tailBytes = 4096

func (l *lineCounter) Write(p []byte) (int, error) {
	l.lines.Add(int64(bytes.Count(p, []byte{'\n'})))
	l.last = append(l.last, p...)
	if excess := len(l.last) - tailBytes; excess > 0 {
		l.last = l.last[excess:]
	}
	return len(p), nil
}

func (l *lineCounter) tail() string { return strings.TrimSpace(string(l.last)) }
