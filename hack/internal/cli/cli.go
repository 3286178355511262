// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line of localcluster.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
	"github.com/csi-operator/csi-operator/hack/internal/repo"
)

// Exit codes of localcluster. A command that runs another one ("kubectl",
// "node exec") exits with that one's code.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// progressInterval is how often a step that lasts says that it does.
const progressInterval = 15 * time.Second

// Streams are the files that a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// command is one subcommand.
type command struct {
	name, arguments, summary string
	// detail is shown by "help NAME" only; it may be empty.
	detail string
	// hidden commands are for localcluster itself.
	hidden bool
	run    func(ctx context.Context, s Streams, arguments []string) error
}

// usageError is a mistake in the command line rather than a failure.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// passedOnError is the exit code of a command that this one has run for its caller;
// that command has said itself what was wrong.
type passedOnError struct{ code int }

func (e passedOnError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// passOn returns the error of a command that was run for the caller.
func passOn(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return passedOnError{code: exit.ExitCode()}
	}
	return err
}

func commands() []command {
	return slices.Concat(clusterCommands(), nodeCommands(), imageCommands(), buildCommands())
}

// Run runs the subcommand that arguments name and returns the exit code.
func Run(ctx context.Context, arguments []string, s Streams) int {
	if len(arguments) == 0 {
		help(s.Err)
		return exitUsage
	}
	if name := arguments[0]; name == "help" || name == "-h" || name == "--help" {
		return runHelp(s, arguments[1:])
	}
	for _, c := range commands() {
		if c.name == arguments[0] {
			return exitCode(s.Err, c, c.run(ctx, s, arguments[1:]))
		}
	}
	fmt.Fprintf(s.Err, "localcluster: %q is no command: see localcluster help\n", arguments[0])
	return exitUsage
}

func exitCode(out io.Writer, c command, err error) int {
	var usage usageError
	var passed passedOnError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		describe(out, c)
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(out, "localcluster %s: %s\n", c.name, usage.text)
		describe(out, c)
		return exitUsage
	case errors.As(err, &passed):
		return passed.code
	}
	fmt.Fprintf(out, "localcluster %s: %v\n", c.name, err)
	return exitFailure
}

func runHelp(s Streams, arguments []string) int {
	if len(arguments) == 0 {
		help(s.Out)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == arguments[0] {
			describe(s.Out, c)
			return exitOK
		}
	}
	fmt.Fprintf(s.Err, "localcluster: %q is no command: see localcluster help\n", arguments[0])
	return exitUsage
}

func help(out io.Writer) {
	fmt.Fprint(out, "localcluster runs a Kubernetes cluster of several real nodes on this machine.\n\nCommands:\n")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(c.name+" "+c.arguments), c.summary)
		}
	}
	_ = table.Flush()
	fmt.Fprint(out, "\n\"localcluster help COMMAND\" tells more. Exit codes: 0 done, 1 failed, 2 wrong usage;\n"+
		"\"kubectl\" and \"node exec\" exit as what they run.\n")
}

func describe(out io.Writer, c command) {
	fmt.Fprintf(out, "usage: localcluster %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.arguments), c.summary)
	if c.detail != "" {
		fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(c.detail))
	}
}

// newFlags returns a flag set that reports its errors by returning them only.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse parses arguments and checks how many are left: at most atMost, or any
// number if that is negative.
func parse(flags *flag.FlagSet, arguments []string, atMost int) error {
	err := flags.Parse(arguments)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err.Error()}
	case atMost >= 0 && flags.NArg() > atMost:
		return usageError{fmt.Sprintf("unexpected argument %q", flags.Arg(atMost))}
	}
	return nil
}

// tree is the working tree that a command works for.
type tree struct {
	root    string
	cache   string
	printer *progress.Printer
	builder *build.Builder
}

func openTree(s Streams, root string) (tree, error) {
	root, err := repo.Root(root)
	if err != nil {
		return tree{}, err
	}
	cache, err := build.CacheDir()
	if err != nil {
		return tree{}, err
	}
	printer := progress.New(s.Err, progressInterval)
	return tree{root: root, cache: cache, printer: printer, builder: build.New(root, cache, printer)}, nil
}
