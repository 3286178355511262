// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command livenessprobe stands in for the CSI sidecar of that name in the local
// cluster, which has no registry to get the original from.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/standin"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(os.Args[1:], log); err != nil {
		log.Error("Liveness probe stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(arguments []string, log *slog.Logger) error {
	config, err := parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return standin.ProbeLiveness(ctx, config, log)
}

// parse reads the flags of the original. Those that change nothing here are
// accepted; metrics are not served.
func parse(arguments []string) (standin.LivenessConfig, error) {
	var c standin.LivenessConfig
	flags := flag.NewFlagSet("livenessprobe", flag.ContinueOnError)
	flags.StringVar(&c.CSIAddress, "csi-address", "/run/csi/socket", "socket of the CSI driver")
	flags.DurationVar(&c.ProbeTimeout, "probe-timeout", 3*time.Second, "how long one probe may take")
	flags.StringVar(&c.HTTPEndpoint, "http-endpoint", "", "address that serves /healthz")
	port := flags.Int("health-port", 9808, "deprecated: port that serves /healthz")
	flags.String("metrics-address", "", "ignored")
	flags.String("metrics-path", "/metrics", "ignored")
	flags.String("logging-format", "text", "ignored")
	flags.Int("v", 0, "ignored")
	if err := flags.Parse(arguments); err != nil {
		return c, err
	}
	if c.ProbeTimeout <= 0 {
		return c, errors.New("--probe-timeout must be greater than 0")
	}
	if c.HTTPEndpoint == "" {
		c.HTTPEndpoint = ":" + strconv.Itoa(*port)
	}
	return c, nil
}
