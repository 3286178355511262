// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the operator, as a process beside an API server of its
// own, against the targets of docs/benchmarks.md. `make bench` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Exit codes beside 0, for all targets met.
const (
	exitMissed = 1
	exitFailed = 2
)

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v; see -help\n", err)
		os.Exit(exitFailed)
	}
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	met, err := run(ctx, o)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(exitFailed)
	case !met:
		os.Exit(exitMissed)
	}
}

// run measures all and prints the report; met is false if a target is missed.
func run(ctx context.Context, o options) (met bool, err error) {
	dir, err := os.MkdirTemp("", "csi-operator-bench-")
	if err != nil {
		return false, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := start(ctx, o, dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if o.profiles != "" {
		return true, b.profile(ctx)
	}
	if err := b.all(ctx); err != nil {
		return false, errors.Join(err, b.lastWords())
	}
	return b.report.met(), b.report.write(os.Stdout, o.output)
}
