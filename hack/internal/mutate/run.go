// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"time"
)

// Package is what to change and whose tests have to notice.
type Package struct {
	// Dir is its folder below the root, with slashes.
	Dir string
	// Also are the folders of other packages whose tests cover it.
	Also []string
}

// Options are what a run depends on.
type Options struct {
	// Root is the folder of the root module.
	Root string
	// Match limits the run to the mutants whose key it finds; nil means all.
	Match *regexp.Regexp
	// Workers is how many mutants are tried at a time.
	Workers int
	// Progress is told now and then how far it is.
	Progress io.Writer
}

// run is the mutants of one package, and what they are tried with.
type run struct {
	Result

	sources sources
	// shared has the tests with all mutants that can be in one binary; mutants of
	// single need binaries of their own.
	shared trial
	single []int
}

// Run tries all mutants of a package. It is an error if the tests do not pass before
// anything is changed.
func Run(ctx context.Context, p Package, o Options) (Result, error) {
	r := run{Result: Result{Package: p.Dir}}
	var err error
	if r.sources, err = readSources(o.Root, p.Dir); err != nil {
		return r.Result, err
	}
	if r.Mutants, err = r.sources.mutants(o.Match); err != nil {
		return r.Result, err
	}
	r.Outcomes = make([]Outcome, len(r.Mutants))
	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return r.Result, fmt.Errorf("making a folder for changed files: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	r.shared = trial{root: o.Root, tests: append([]string{p.Dir}, p.Also...), scratch: scratch, limit: time.Hour}

	together, err := r.buildShared(ctx)
	if err != nil {
		return r.Result, err
	}
	if r.shared.limit, err = r.shared.baseline(ctx); err != nil {
		return r.Result, err
	}
	return r.Result, r.tryAll(ctx, together, o)
}

// buildShared builds the binaries of the mutants whose numbers it returns: those that
// can share them and compile. The others of these are discarded.
func (r *run) buildShared(ctx context.Context) ([]int, error) {
	candidates := map[int]Mutant{}
	for number, m := range r.Mutants {
		if m.site != nil {
			candidates[number] = m
		} else {
			r.single = append(r.single, number)
		}
	}
	for {
		overlay, err := r.shared.overlay(r.sources.combined(candidates))
		if err != nil {
			return nil, err
		}
		built, output, err := r.shared.build(ctx, 0, "-overlay="+overlay)
		if err != nil {
			return nil, fmt.Errorf("building the tests of %s: %w", r.Package, err)
		}
		if built {
			return slices.Sorted(maps.Keys(candidates)), r.shared.buildRest(ctx, overlay)
		}
		before := len(candidates)
		for _, number := range culprits(output) {
			delete(candidates, number)
		}
		if len(candidates) == before {
			return nil, fmt.Errorf("the tests of %s do not build:\n%s", r.Package, output)
		}
	}
}

// buildRest builds all test binaries but the first.
func (t trial) buildRest(ctx context.Context, overlay string) error {
	for i := 1; i < len(t.tests); i++ {
		built, output, err := t.build(ctx, i, "-overlay="+overlay)
		if err != nil {
			return fmt.Errorf("building the tests of %s: %w", t.tests[i], err)
		}
		if !built {
			return fmt.Errorf("the tests of %s do not build:\n%s", t.tests[i], output)
		}
	}
	return nil
}
