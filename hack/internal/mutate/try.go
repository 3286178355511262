// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// progressEvery is after how many mutants a line of progress is written.
	progressEvery = 100
	// patience is how many times longer than usual tests may take, beside leastTime.
	patience  = 10
	leastTime = 10 * time.Second
)

// baseline is how long tests may take, as they pass while no mutant is chosen.
func (t trial) baseline(ctx context.Context) (time.Duration, error) {
	var slowest time.Duration
	for i, folder := range t.tests {
		start := time.Now()
		passed, err := t.test(ctx, i, "")
		if err != nil {
			return 0, err
		}
		if !passed {
			return 0, fmt.Errorf("the tests of %s fail before anything is changed; run go test ./%s", folder, folder)
		}
		slowest = max(slowest, time.Since(start))
	}
	return leastTime + patience*slowest, nil
}

// tryAll tries the mutants of the shared binaries, which are numbered, and the single
// ones.
func (r *run) tryAll(ctx context.Context, together []int, o Options) error {
	c := counter{out: o.Progress, name: r.Package, all: len(together) + len(r.single)}
	trials := make([]trial, max(1, o.Workers))
	for i := range trials {
		trials[i] = r.shared
		trials[i].scratch = filepath.Join(r.shared.scratch, fmt.Sprint(i))
		if err := os.Mkdir(trials[i].scratch, 0o755); err != nil {
			return fmt.Errorf("making a folder for changed files: %w", err)
		}
	}
	err := each(ctx, together, trials, func(ctx context.Context, _ trial, number int) error {
		outcome, err := r.shared.chosen(ctx, number)
		r.Outcomes[number] = outcome
		c.add(outcome)
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, r.single, trials, func(ctx context.Context, t trial, number int) error {
		m := r.Mutants[number]
		outcome, err := t.alone(ctx, m, r.sources.files[m.File])
		r.Outcomes[number] = outcome
		c.add(outcome)
		return err
	})
}

// each calls try with each of the numbers, in parallel: with one trial one at a time.
// It ends at the first error.
func each(ctx context.Context, numbers []int, trials []trial, try func(context.Context, trial, int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for _, t := range trials {
		workers.Go(func() {
			for number := range next {
				if err := try(ctx, t, number); err != nil && !errors.Is(err, context.Canceled) {
					stop(err)
				}
			}
		})
	}
	for _, number := range numbers {
		if ctx.Err() != nil {
			break
		}
		next <- number
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// counter tells now and then how many mutants were tried.
type counter struct {
	out  io.Writer
	name string
	all  int

	mutex          sync.Mutex
	done, survived int
}

func (c *counter) add(o Outcome) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.done++
	if o == Survived {
		c.survived++
	}
	if c.done%progressEvery == 0 || c.done == c.all {
		_, _ = fmt.Fprintf(c.out, "%s: %d of %d tried, %d survived\n", c.name, c.done, c.all, c.survived)
	}
}
