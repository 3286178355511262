// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command rules checks the alerts of config/prometheus and runs their unit tests by promtool,
// which it gets first where the machine has none. See docs/monitoring.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/csi-operator/csi-operator/hack/internal/monitoring"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := monitoring.Main(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		stop()
		os.Exit(1)
	}
}
