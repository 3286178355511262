// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command driver is a CSI driver that end-to-end tests let the operator deploy as
// somebody else's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/csi-operator/csi-operator/test/driver/internal/driver"
)

// Exit codes beside 0.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitCrashed = 3
)

func main() {
	options, err := driver.Parse(os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "driver: %v; see --help\n", err)
		os.Exit(exitUsage)
	}
	err = run(options)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "driver: %v\n", err)
	if errors.Is(err, driver.ErrCrash) {
		os.Exit(exitCrashed)
	}
	os.Exit(exitFailed)
}

// run serves until a signal comes.
func run(options driver.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return driver.Run(ctx, options, slog.New(slog.NewJSONHandler(os.Stderr, nil)))
}
