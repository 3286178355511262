// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// trial builds and runs tests of a changed package. The working tree stays as it is:
// the compiler is told to read other files in the place of some.
type trial struct {
	root string
	// tests are the folders of packages, below root, whose tests have to notice.
	tests []string
	// scratch is a folder of this trial's own.
	scratch string
	// limit is how long the tests of one package may take; a change can make a loop
	// endless.
	limit time.Duration
}

// doesNotCompile is what the compiler says about a place in the source, which nothing
// else that keeps a build from ending says.
var doesNotCompile = regexp.MustCompile(`(?m)^\S+\.go:\d+:\d+: `)

// alone tries a mutant in binaries of its own.
func (t trial) alone(ctx context.Context, m Mutant, source []byte) (Outcome, error) {
	overlay, err := t.overlay(map[string][]byte{m.File: m.Apply(source)})
	if err != nil {
		return 0, err
	}
	for i, folder := range t.tests {
		built, output, err := t.build(ctx, i, "-overlay="+overlay)
		if err != nil {
			return 0, fmt.Errorf("building the tests of %s for %s: %w", folder, m, err)
		}
		if !built && !doesNotCompile.MatchString(output) {
			return 0, fmt.Errorf("building the tests of %s for %s: %s", folder, m, output)
		}
		if !built {
			return Discarded, nil
		}
		if passed, err := t.test(ctx, i, ""); err != nil || !passed {
			return Killed, err
		}
	}
	return Survived, nil
}

// chosen tries a mutant that the binaries hold.
func (t trial) chosen(ctx context.Context, number int) (Outcome, error) {
	for i := range t.tests {
		if passed, err := t.test(ctx, i, fmt.Sprint(number)); err != nil || !passed {
			return Killed, err
		}
	}
	return Survived, nil
}

// overlay writes files, by their paths below the root, and returns what -overlay
// reads.
func (t trial) overlay(files map[string][]byte) (string, error) {
	replace := map[string]string{}
	for path, text := range files {
		path = filepath.FromSlash(path)
		other := filepath.Join(t.scratch, filepath.Base(path))
		if err := os.WriteFile(other, text, 0o644); err != nil {
			return "", fmt.Errorf("writing a changed file: %w", err)
		}
		replace[filepath.Join(t.root, path)] = other
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("listing the changed files: %w", err)
	}
	path := filepath.Join(t.scratch, "overlay.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", fmt.Errorf("listing the changed files: %w", err)
	}
	return path, nil
}

// binary is the path of the test binary of t.tests[i].
func (t trial) binary(i int) string { return filepath.Join(t.scratch, fmt.Sprintf("%d.test", i)) }

// build makes the test binary of t.tests[i]. If it does not compile, it returns what
// the compiler says.
func (t trial) build(ctx context.Context, i int, flags ...string) (built bool, output string, err error) {
	arguments := append([]string{"test", "-c", "-gcflags=-e", "-ldflags=-s -w", "-o", t.binary(i)}, flags...)
	command := exec.CommandContext(ctx, "go", append(arguments, "./"+t.tests[i])...)
	command.Dir = t.root
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	built, err = succeeds(ctx, command)
	return built, said.String(), err
}

// test tells whether the tests of t.tests[i] pass in time.
func (t trial) test(ctx context.Context, i int, chosen string) (bool, error) {
	command := exec.CommandContext(ctx, t.binary(i), "-test.failfast", "-test.timeout="+t.limit.String())
	command.Dir = filepath.Join(t.root, filepath.FromSlash(t.tests[i]))
	command.Env = append(os.Environ(), chosenBy+"="+chosen)
	passed, err := succeeds(ctx, command)
	if err != nil {
		err = fmt.Errorf("running the tests of %s: %w", t.tests[i], err)
	}
	return passed, err
}

// succeeds runs a command; the error says that it could not be run to its end.
func succeeds(ctx context.Context, command *exec.Cmd) (bool, error) {
	err := command.Run()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	return err == nil, err
}
