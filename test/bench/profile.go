// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"runtime/trace"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/csi-operator/csi-operator/controllers"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
)

// profile runs the controller in this process, since the binary that is shipped
// serves no profiles, and writes where its time goes: a trace of one driver and the
// processor's profile of many.
func (b *bench) profile(ctx context.Context) (err error) {
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return fmt.Errorf("making a directory for profiles: %w", err)
	}
	mgr, err := b.manager(ctx)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		return errors.New("the cache did not fill")
	}
	if err := b.installSome(ctx, stageFirst, 1); err != nil {
		return err
	}
	err = b.recorded(stageNext+".trace", trace.Start, trace.Stop, func() error { return b.installSome(ctx, stageNext, 1) })
	if err != nil {
		return err
	}
	return b.recorded(stageMany+".pprof", pprof.StartCPUProfile, pprof.StopCPUProfile, func() error {
		return b.installSome(ctx, stageMany, b.drivers)
	})
}

// manager is what cmd/csi-operator makes, without its endpoints.
func (b *bench) manager(ctx context.Context) (manager.Manager, error) {
	config, err := b.cluster.ConfigOf(cluster.Operator)
	if err != nil {
		return nil, err
	}
	scheme, err := controllers.Scheme()
	if err != nil {
		return nil, err
	}
	cache, err := controllers.CacheOptions()
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, manager.Options{Scheme: scheme, Cache: cache, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return mgr, controllers.Add(ctx, mgr, facts)
}

func (b *bench) installSome(ctx context.Context, stage string, n int) error {
	s, err := b.install(ctx, cluster.Operator, 0, namesFor(stage, 0, n))
	tell("%s: applied in %.1f ms, settled in %.1f ms", stage, s.Applied, s.Settled)
	return err
}

// recorded writes a file about what happens while something is done.
func (b *bench) recorded(file string, begin func(io.Writer) error, end func(), do func() error) (err error) {
	f, err := os.Create(filepath.Join(b.profiles, file))
	if err != nil {
		return fmt.Errorf("making a profile: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := begin(f); err != nil {
		return fmt.Errorf("beginning a profile: %w", err)
	}
	defer end()
	return do()
}
