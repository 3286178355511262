// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command csi-pool-driver serves the CSI services of the bundled driver.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pooldriver"
	"github.com/csi-operator/csi-operator/internal/version"
)

func main() {
	var config pooldriver.Config
	config.Register(flag.CommandLine, os.Getenv)
	flag.Parse()
	if config.Version {
		_, _ = fmt.Fprintln(os.Stdout, "csi-pool-driver", version.Version)
		return
	}
	log := logger(config.Verbosity)
	if err := run(config, log); err != nil {
		log.Error(err, "Driver stopped")
		os.Exit(1)
	}
}

func run(config pooldriver.Config, log logr.Logger) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	driver, err := pooldriver.New(config, mount.NewLinux(), log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return driver.Run(ctx)
}

// logger writes JSON lines; logr's level n is slog's -n.
func logger(verbosity int) logr.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(-verbosity)}
	return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, options))
}
