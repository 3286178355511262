// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command node-driver-registrar stands in for the CSI sidecar of that name in
// the local cluster, which has no registry to get the original from.
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
	os.Exit(standin.Main("Registrar stopped", run))
}

func run(ctx context.Context, arguments []string, log *slog.Logger) error {
	config, err := parse(arguments)
	if err != nil {
		return err
	}
	return standin.Register(ctx, config, log)
}

// parse reads the flags of the original. Those that change nothing here are
// accepted.
func parse(arguments []string) (standin.RegistrarConfig, error) {
	var c standin.RegistrarConfig
	flags := flag.NewFlagSet("node-driver-registrar", flag.ContinueOnError)
	flags.StringVar(&c.CSIAddress, "csi-address", "/run/csi/socket", "socket of the CSI driver")
	flags.StringVar(&c.KubeletPath, "kubelet-registration-path", "", "socket of the CSI driver as the kubelet sees it")
	flags.StringVar(&c.RegistrationDir, "plugin-registration-path", "/registration", "folder of the kubelet's plugins")
	flags.StringVar(&c.HTTPEndpoint, "http-endpoint", "", "address that serves /healthz")
	port := flags.Int("health-port", 0, "deprecated: port that serves /healthz")
	flags.Duration("timeout", time.Second, "ignored")
	flags.Duration("connection-timeout", 0, "ignored")
	flags.String("mode", "", "ignored")
	flags.String("logging-format", "text", "ignored")
	flags.Bool("enable-pprof", false, "ignored")
	flags.Int("v", 0, "ignored")
	if err := flags.Parse(arguments); err != nil {
		return c, err
	}
	if *port != 0 && c.HTTPEndpoint != "" {
		return c, errors.New("only one of --health-port and --http-endpoint can be given")
	}
	if *port != 0 {
		c.HTTPEndpoint = ":" + strconv.Itoa(*port)
	}
	return c, c.Validate()
}
