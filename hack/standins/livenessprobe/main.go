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
	"strconv"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/standin"
)

func main() {
	os.Exit(standin.Main("Liveness probe stopped", run))
}

func run(ctx context.Context, arguments []string, log *slog.Logger) error {
	config, err := parse(arguments)
	if err != nil {
		return err
	}
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
