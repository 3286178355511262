// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command csi-inspector stands beside a CSI driver, asks it what it can do, and
// writes the answer into a ConfigMap for the operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

// Exit codes beside 0: there was no way to the cluster, or the flags were wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(start(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

// start runs the command until SIGTERM and returns its exit code.
func start(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, getenv, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "csi-inspector: %v; see --help\n", err)
		return exitUsage
	case o.printVersion:
		_, _ = fmt.Fprintln(stdout, "csi-inspector", inspect.Version)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: o.level()}))
	if err := run(ctx, o, log); err != nil {
		log.Error("Inspector stopped", "error", err)
		return exitFailed
	}
	return 0
}
