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
	"runtime"
	"runtime/pprof"
	"runtime/trace"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/csi-operator/csi-operator/controllers"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
)

// profile runs the controller in this process, since the binary that is shipped
// serves no profiles, and writes where its time goes.
func (b *bench) profile(ctx context.Context) error {
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return fmt.Errorf("making a directory for profiles: %w", err)
	}
	if b.asks(partInstallations) {
		if err := b.inProcess(ctx, func() error { return b.profileInstallations(ctx) }); err != nil {
			return err
		}
	}
	if b.asks(partManyNodes) {
		return b.profileManyNodes(ctx)
	}
	return nil
}

// inProcess does something while the controller runs in this process.
func (b *bench) inProcess(ctx context.Context, do func() error) (err error) {
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
	return do()
}

// profileInstallations writes a trace of one driver and the processor's profile of many.
func (b *bench) profileInstallations(ctx context.Context) error {
	if err := b.installSome(ctx, stageFirst, 1); err != nil {
		return err
	}
	err := b.recorded(stageNext+".trace", trace.Start, trace.Stop, func() error { return b.installSome(ctx, stageNext, 1) })
	if err != nil {
		return err
	}
	return b.recorded(stageMany+".pprof", pprof.StartCPUProfile, pprof.StopCPUProfile, func() error {
		return b.installSome(ctx, stageMany, b.drivers)
	})
}

// profileManyNodes writes what is in memory after a start with many nodes, and the
// processor's profile of a burst and of what follows.
func (b *bench) profileManyNodes(ctx context.Context) error {
	m := b.many()
	if err := m.installed(ctx); err != nil {
		return err
	}
	if err := errors.Join(m.populate(ctx), m.operator.Stop(ctx)); err != nil {
		return err
	}
	mark, err := m.cluster.Audit.Mark()
	if err != nil {
		return err
	}
	return b.inProcess(ctx, func() error {
		if err := m.calm(ctx, cluster.Operator, mark); err != nil {
			return err
		}
		heap := func(out io.Writer) error {
			runtime.GC()
			return pprof.Lookup("heap").WriteTo(out, 0)
		}
		if err := b.recorded(partManyNodes+".heap", heap, func() {}, func() error { return nil }); err != nil {
			return err
		}
		return b.recorded(partManyNodes+".pprof", pprof.StartCPUProfile, pprof.StopCPUProfile, func() error {
			n := len(m.failing)
			_, err := m.during(ctx, func() error {
				err := m.eachTold(ctx, n, func(done int) int { return m.ownNodes - done }, func(i int) error { return m.tellPod(ctx, m.failing[i], m.places[i], true) })
				if err != nil {
					return err
				}
				return await(ctx, "the status tells of it", func() error { return m.counts(ctx, m.ownNodes-n) })
			})
			return err
		})
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
