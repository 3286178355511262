// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command localcluster runs a Kubernetes cluster of several real nodes on one
// Linux machine, without Docker and without a registry. See docs/local-cluster.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/csi-operator/csi-operator/hack/internal/cli"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// For programs that are looked up here, and by those that are run.
	if err := os.Setenv("PATH", process.SearchPath(os.Getenv("PATH"))); err != nil {
		fmt.Fprintln(os.Stderr, "localcluster: setting PATH:", err)
		return 1
	}
	return cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
