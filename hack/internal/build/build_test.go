// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// module makes a module folder with these files and returns its path.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestKey(t *testing.T) {
	files := map[string]string{"go.mod": "module m", "go.sum": "sums", "main.go": "package main"}
	base, err := key(module(t, files), "go1", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		file, content string
		with          []string
		same          bool
	}{
		"Same":             {with: []string{"go1", "amd64"}, same: true},
		"OtherPins":        {file: "go.mod", content: "module m // v2", with: []string{"go1", "amd64"}},
		"OtherSums":        {file: "go.sum", content: "other", with: []string{"go1", "amd64"}},
		"OtherSource":      {file: "main.go", content: "package main // x", with: []string{"go1", "amd64"}},
		"NewSource":        {file: "more.go", content: "package main", with: []string{"go1", "amd64"}},
		"OtherCompiler":    {with: []string{"go2", "amd64"}},
		"OtherCut":         {with: []string{"go1a", "md64"}},
		"NotPartOfABuild":  {file: "README.md", content: "hello", with: []string{"go1", "amd64"}, same: true},
		"FewerPartsAreNew": {with: []string{"go1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			changed := map[string]string{}
			for file, content := range files {
				changed[file] = content
			}
			if tc.file != "" {
				changed[tc.file] = tc.content
			}
			got, err := key(module(t, changed), tc.with...)
			if err != nil {
				t.Fatal(err)
			}
			if (got == base) != tc.same {
				t.Errorf("key %s, before %s, want the same: %t", got, base, tc.same)
			}
		})
	}
}

func TestRequiredVersion(t *testing.T) {
	cases := map[string]struct {
		gomod, want string
	}{
		"Block":      {gomod: "require (\n\tk8s.io/kubernetes v1.37.2\n)\n", want: "v1.37.2"},
		"Line":       {gomod: "require k8s.io/kubernetes v1.37.2-rc.1\n", want: "v1.37.2-rc.1"},
		"Absent":     {gomod: "require k8s.io/kubernetesx v1.37.2\n"},
		"OnlyPrefix": {gomod: "require (\n\tk8s.io/kubernetes/staging v1.0.0\n)\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := requiredVersion(module(t, map[string]string{"go.mod": tc.gomod}), "k8s.io/kubernetes")
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

// TestComponentsArePinned reads the real build modules.
func TestComponentsArePinned(t *testing.T) {
	for _, c := range Components() {
		t.Run(c.Name, func(t *testing.T) {
			dir := filepath.Join("..", "..", "build", c.Name)
			arguments, err := c.arguments(dir, "/out")
			if err != nil {
				t.Fatal(err)
			}
			gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err != nil {
				t.Fatal(err)
			}
			for _, pkg := range c.Packages {
				path, _, isCommand := strings.Cut(pkg, "/cmd/")
				if isCommand && !strings.Contains(string(gomod), path+" v") {
					t.Errorf("%s is not required by %s", path, dir)
				}
			}
			if !slices.Contains(arguments, "-buildvcs=false") { // root may not ask git in another one's clone
				t.Errorf("the build asks git for a version: %q", arguments)
			}
			if strings.Contains(string(gomod), "=> .") {
				t.Errorf("%s replaces a module by a local folder", dir)
			}
			if c.versionOf != "" && !strings.Contains(strings.Join(arguments, " "), "ersion=v") {
				t.Errorf("no version is stamped: %q", arguments)
			}
		})
	}
}

func TestCachedFillsOnce(t *testing.T) {
	cache := t.TempDir()
	var fills atomic.Int32
	fill := func(dir string) error {
		fills.Add(1)
		return os.WriteFile(filepath.Join(dir, "binary"), []byte("done"), 0o600)
	}
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			dir, err := Cached(t.Context(), cache, "component-key", fill)
			if err != nil {
				t.Error(err)
				return
			}
			if content, err := os.ReadFile(filepath.Join(dir, "binary")); err != nil || string(content) != "done" {
				t.Errorf("read %q, %v", content, err)
			}
		})
	}
	running.Wait()
	if got := fills.Load(); got != 1 {
		t.Errorf("filled %d times", got)
	}
}

func TestCachedKeepsNothingUnfinished(t *testing.T) {
	cache := t.TempDir()
	broken := errors.New("broken")
	_, err := Cached(t.Context(), cache, "c", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error %v, want %v", err, broken)
	}
	// What a killed process has left must not get into the next build either.
	if err := os.MkdirAll(filepath.Join(cache, "c.partial", "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := Cached(t.Context(), cache, "c", func(dir string) error {
		entries, err := os.ReadDir(dir)
		if len(entries) > 0 {
			t.Errorf("the folder to fill holds %v", entries)
		}
		return err
	})
	if err != nil || !exists(dir) {
		t.Errorf("after a failure: %v", err)
	}
}

func TestCachedWaitsNoLongerThanItsContext(t *testing.T) {
	cache := t.TempDir()
	unlock, err := lock(t.Context(), filepath.Join(cache, "c.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Cached(ctx, cache, "c", func(string) error { return errors.New("filled in spite of the lock") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestLineCounterKeepsTheEnd(t *testing.T) {
	var l lineCounter
	for range 1000 {
		if _, err := l.Write([]byte("k8s.io/some/package\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Write([]byte("main.go:1: undefined\n")); err != nil {
		t.Fatal(err)
	}
	if l.lines.Load() != 1001 || len(l.tail()) > tailBytes || !strings.HasSuffix(l.tail(), "main.go:1: undefined") {
		t.Errorf("%d lines, ending in %q", l.lines.Load(), l.tail())
	}
}
