// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
	"github.com/csi-operator/csi-operator/test/bench/process"
)

// arm is one of those that are compared.
type arm struct {
	name, user string
	// start returns what stops it, and its process if it has one of its own.
	start func(context.Context) (func(context.Context) error, int, error)
}

// The arms.
const (
	armFloor    = "floor"
	armLimited  = "limited floor"
	armOperator = "operator"
)

// stage is what each arm does in a repetition, in this order.
type stage struct {
	name    string
	drivers int
}

// The stages.
const (
	stageFirst = "first"
	stageNext  = "next"
	stageMany  = "many"
)

func (b *bench) stages() []stage {
	return []stage{{stageFirst, 1}, {stageNext, 1}, {stageMany, b.drivers}}
}

func (b *bench) arms() []arm {
	floor := func(user string, limited bool) func(context.Context) (func(context.Context) error, int, error) {
		return func(ctx context.Context) (func(context.Context) error, int, error) {
			stop, err := b.startFloor(ctx, user, limited)
			return stop, 0, err
		}
	}
	return []arm{
		{armFloor, cluster.Floor, floor(cluster.Floor, false)},
		{armOperator, cluster.Operator, func(ctx context.Context) (func(context.Context) error, int, error) {
			o, err := b.startOperator(ctx)
			if err != nil {
				return nil, 0, err
			}
			return o.Stop, o.PID, nil
		}},
		{armLimited, cluster.LimitedFloor, floor(cluster.LimitedFloor, true)},
	}
}

// installations measures targets 1 to 3. The arms take turns, every second time in
// the opposite order; a first round warms up the API server and is not counted.
func (b *bench) installations(ctx context.Context) error {
	for repetition := range b.repetitions + 1 {
		arms := b.arms()
		if repetition%2 == 0 {
			arms[0], arms[2] = arms[2], arms[0]
		}
		for _, a := range arms {
			samples, err := b.turn(ctx, a, repetition)
			if err != nil {
				return fmt.Errorf("%s, repetition %d: %w", a.name, repetition, err)
			}
			for i, s := range b.stages() {
				tell("installations %d/%d: %s, %s: applied in %.1f ms, settled in %.1f ms",
					repetition, b.repetitions, a.name, s.name, samples[i].Applied, samples[i].Settled)
				if repetition > 0 {
					b.report.add(a.name, s.name, samples[i])
				}
			}
		}
	}
	return b.report.installations()
}

// turn lets one arm do all stages in an empty cluster.
func (b *bench) turn(ctx context.Context, a arm, repetition int) (samples []sample, err error) {
	stop, pid, err := a.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop(ctx), b.cluster.Wipe(ctx)) }()
	for _, s := range b.stages() {
		sample, err := b.install(ctx, a.user, pid, namesFor(s.name, repetition, s.drivers))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

func namesFor(stage string, repetition, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d-%d.bench.example.com", stage, repetition, i)
	}
	return names
}

// install creates drivers at once and waits until all is done for them.
func (b *bench) install(ctx context.Context, user string, pid int, names []string) (sample, error) {
	mark, err := b.cluster.Audit.Mark()
	if err != nil {
		return sample{}, err
	}
	objects, err := objectsOf(names)
	if err != nil {
		return sample{}, err
	}
	server, own, err := b.cpu(pid)
	if err != nil {
		return sample{}, err
	}
	err = cluster.Each(len(names), func(i int) error { return b.cluster.Create(ctx, driver(names[i])) })
	if err != nil {
		return sample{}, fmt.Errorf("creating drivers: %w", err)
	}
	err = await(ctx, "all is installed", func() error { return b.installed(mark, user, objects, len(names)) })
	if err == nil {
		err = b.calm(ctx, user, mark)
	}
	if err != nil {
		return sample{}, err
	}
	serverThen, ownThen, err := b.cpu(pid)
	if err != nil {
		return sample{}, err
	}
	records, err := b.cluster.Audit.Since(mark)
	if err != nil {
		return sample{}, err
	}
	s, err := measure(records, user, objects)
	s.ServerCPU, s.OwnCPU = milliseconds(serverThen-server), milliseconds(ownThen-own)
	return s, err
}

// installed is an error until a user has applied so many objects, and, if it is the
// operator, has told so in the status of each driver.
func (b *bench) installed(mark int, user string, objects, drivers int) error {
	records, err := b.cluster.Audit.Since(mark)
	if err != nil {
		return err
	}
	sent := records.Where(audit.By(user))
	if n := distinct(sent.Where(isApplied)); n < objects {
		return fmt.Errorf("%d of %d objects are applied", n, objects)
	}
	if n := distinct(sent.Where(isStatus)); user == cluster.Operator && n < drivers {
		return fmt.Errorf("%d of %d drivers have a status", n, drivers)
	}
	return nil
}

// cpu is the processor time of the API server and of another process, if any.
func (b *bench) cpu(pid int) (server, other time.Duration, err error) {
	if server, err = process.CPU(b.apiserver); err != nil || pid == 0 {
		return server, 0, err
	}
	other, err = process.CPU(pid)
	return server, other, err
}

// objectsOf is how many objects some drivers have.
func objectsOf(names []string) (int, error) {
	n := 0
	for _, name := range names {
		set, err := desired.Render(driver(name), facts)
		if err != nil {
			return 0, err
		}
		n += len(set.Objects)
	}
	return n, nil
}
