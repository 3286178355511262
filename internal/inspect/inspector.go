// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"log/slog"
	"time"
)

const (
	// callTimeout is the time of one RPC.
	callTimeout = 10 * time.Second
	// retryInterval is the pause between two tries, as the sidecars have it.
	retryInterval = time.Second
)

// Inspector asks one driver.
type Inspector struct {
	socket   string
	key      string
	patience time.Duration
	timeout  time.Duration
	interval time.Duration
	log      *slog.Logger
}

// New returns an inspector of the driver at a socket. The key, of at most MaxKey
// bytes, is copied into each answer. The patience, which is positive, is how long
// a driver may take before its silence is told.
func New(socket, key string, patience time.Duration, log *slog.Logger) *Inspector {
	return &Inspector{
		socket: socket, key: key, patience: patience, timeout: callTimeout, interval: retryInterval, log: log,
	}
}

// Run asks until it has an answer, and again whenever the driver was away, until the
// context ends. It tells each answer that differs from the one before, one at a
// time. A problem is told after each patience in which there was no answer, but not
// after an answer: what a driver can do does not change while it is away.
func (i *Inspector) Run(ctx context.Context, tell func(Answer)) {
	findings := make(chan finding)
	go func() {
		defer close(findings)
		i.watch(ctx, findings)
	}()
	impatience := time.NewTicker(i.patience)
	defer impatience.Stop()
	told := news{tell: tell, key: i.key, problem: silence(i.socket), log: i.log}
	for {
		select {
		case f, open := <-findings:
			if !open {
				return
			}
			told.note(f)
		case <-impatience.C:
			told.complain()
		}
	}
}

// finding is what one try brought: an answer or a problem.
type finding struct {
	answer  Answer
	problem error
}

// watch serves one connection after the other.
func (i *Inspector) watch(ctx context.Context, findings chan<- finding) {
	found := func(f finding) {
		select {
		case findings <- f:
		case <-ctx.Done():
		}
	}
	for {
		i.serve(ctx, found)
		if !pause(ctx, i.interval) {
			return
		}
	}
}

// serve asks on one connection until there is an answer, and then waits until the
// connection is lost.
func (i *Inspector) serve(ctx context.Context, found func(finding)) {
	conn, err := dial(ctx, i.socket, i.timeout, i.log)
	if err != nil {
		found(finding{problem: err})
		return
	}
	defer conn.close(i.log)
	for ctx.Err() == nil {
		said, err := conn.ask(ctx)
		if err == nil {
			found(finding{answer: said.answer(i.key)})
			conn.awaitLoss(ctx)
			return
		}
		if conn.lostWithin(ctx, i.interval) {
			found(finding{problem: silence(i.socket)})
			return
		}
		found(finding{problem: err})
	}
}

// pause waits; it returns false if the context ended.
func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
