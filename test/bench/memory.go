// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/csi-operator/csi-operator/test/bench/cluster"
	"github.com/csi-operator/csi-operator/test/bench/process"
	"github.com/csi-operator/csi-operator/test/bench/stats"
)

const (
	mib = 1 << 20
	mb  = 1e6
	// memoryEvery is how often memory is looked at.
	memoryEvery = 500 * time.Millisecond
)

// size measures the half of target 7 that needs no process.
func (b *bench) size(context.Context) error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return fmt.Errorf("looking at the operator's binary: %w", err)
	}
	b.report.value(7, "stripped binary", "MB", float64(info.Size())/mb, 45, "")
	return nil
}

// memoryUse measures the other half of target 7: with one driver, after the cluster
// has become a large one, and after a start in the large one.
func (b *bench) memoryUse(ctx context.Context) error {
	small, err := b.memoryOf(ctx, "with one driver", func(o *process.Operator) error {
		_, err := b.install(ctx, cluster.Operator, o.PID, []string{"memory.bench.example.com"})
		return err
	}, func() error { return b.crowd(ctx) })
	if err != nil {
		return err
	}
	late, err := b.memoryOf(ctx, "started in the large cluster", func(*process.Operator) error { return nil })
	if err != nil {
		return err
	}
	b.report.value(7, "RSS with one driver", "MiB", small[0].Median, 50, spread(small[0]))
	note := fmt.Sprintf("%d nodes, %d foreign pods", b.nodes, b.pods)
	b.report.value(7, "RSS growth in a large cluster", "MiB", small[1].Median-small[0].Median, 10, note+fmt.Sprintf("; now %.1f", small[1].Median))
	b.report.value(7, "the same after a restart there", "MiB", late[0].Median-small[0].Median, 10, note+fmt.Sprintf("; now %.1f", late[0].Median))
	return nil
}

// memoryOf starts the operator and looks at its memory after each act, in MiB.
func (b *bench) memoryOf(ctx context.Context, what string, first func(*process.Operator) error, acts ...func() error) (found []stats.Summary, err error) {
	o, err := b.startOperator(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Stop(ctx)) }()
	acts = append([]func() error{func() error { return first(o) }}, acts...)
	for i, act := range acts {
		if err := act(); err != nil {
			return nil, err
		}
		tell("memory %s (%d of %d), for %s", what, i+1, len(acts), b.memory)
		s, err := b.watchMemory(ctx, o.PID)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

// watchMemory looks at a process's memory for a while.
func (b *bench) watchMemory(ctx context.Context, pid int) (stats.Summary, error) {
	var values []float64
	end := time.Now().Add(b.memory)
	err := wait.PollUntilContextCancel(ctx, memoryEvery, true, func(context.Context) (bool, error) {
		bytes, err := process.RSS(pid)
		values = append(values, float64(bytes)/mib)
		return time.Now().After(end), err
	})
	return stats.Summarize(values), err
}
