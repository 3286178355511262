// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package progress tells a person what a long command is doing and for how long.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Printer writes one line when a step begins, one per interval while it lasts,
// and one when it ends. It is safe for concurrent use.
type Printer struct {
	mu       sync.Mutex
	out      io.Writer
	interval time.Duration
}

// New returns a Printer to out that repeats itself every interval.
func New(out io.Writer, interval time.Duration) *Printer {
	return &Printer{out: out, interval: interval}
}

// Say writes one line.
func (p *Printer) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// Step runs f and tells how long it took. The error of f is returned unchanged.
func (p *Printer) Step(name string, f func() error) error {
	return p.StepWith(name, func() string { return "" }, f)
}

// StepWith is Step with a note on how far f has come, asked for at each
// interval; it may be empty.
func (p *Printer) StepWith(name string, note func() string, f func() error) error {
	begin := time.Now()
	p.Say("%s …", name)
	stop := p.tick(begin, name, note)
	err := f()
	stop()
	if err != nil {
		p.Say("%s: failed after %s", name, elapsed(begin))
		return err
	}
	p.Say("%s: done in %s", name, elapsed(begin))
	return nil
}

func (p *Printer) tick(begin time.Time, name string, note func() string) (stop func()) {
	ticker := time.NewTicker(p.interval)
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.Say("%s … %s %s", name, elapsed(begin), note())
			}
		}
	})
	return func() {
		ticker.Stop()
		close(done)
		running.Wait()
	}
}

func elapsed(begin time.Time) time.Duration {
	return time.Since(begin).Round(100 * time.Millisecond)
}
