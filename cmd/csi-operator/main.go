// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command csi-operator runs the controller of CSIDriverDeployments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/csi-operator/csi-operator/internal/version"
)

// Exit codes beside 0: the manager ended with an error, or its flags were wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	o, err := parse(os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "csi-operator: %v; see --help\n", err)
		os.Exit(exitUsage)
	case o.printVersion:
		fmt.Fprintln(os.Stdout, "csi-operator v"+version.Version)
		return
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		ctrl.Log.Error(err, "Manager stopped")
		os.Exit(exitFailed)
	}
}

// run serves until the context ends.
func run(ctx context.Context, o options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	mgr, err := newManager(ctx, config, o)
	if err != nil {
		return err
	}
	ctrl.Log.Info("Starting", "version", version.Version, "namespace", o.namespace, "poolDriverImage", o.poolDriverImage)
	return mgr.Start(ctx)
}
