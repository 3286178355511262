// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endPoll is how often End looks whether the processes are gone.
const endPoll = 20 * time.Millisecond

// End sends SIGTERM to the processes, SIGKILL to those that still live after
// grace, and returns when all are gone. With no grace SIGKILL comes first.
func End(ctx context.Context, grace time.Duration, processes ...Identity) error {
	if grace > 0 {
		if err := signalAll(unix.SIGTERM, processes); err != nil {
			return err
		}
		polite, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		if awaitEnd(polite, processes) == nil {
			return nil
		}
	}
	if err := signalAll(unix.SIGKILL, processes); err != nil {
		return err
	}
	return awaitEnd(ctx, processes)
}

func signalAll(signal syscall.Signal, processes []Identity) error {
	var problems []error
	for _, p := range processes {
		problems = append(problems, p.signal(signal))
	}
	return errors.Join(problems...)
}

// signal sends a signal to this very process and never to a later one of the
// same id: the handle is taken before the start time is compared.
func (i Identity) signal(signal syscall.Signal) error {
	handle, err := os.FindProcess(i.PID)
	if err != nil {
		return nil // it does not exist any more
	}
	defer func() { _ = handle.Release() }()
	if !i.Alive() {
		return nil
	}
	if err := handle.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to process %d: %w", signal, i.PID, err)
	}
	return nil
}

func awaitEnd(ctx context.Context, processes []Identity) error {
	return awaitNone(ctx, processes, Identity.Alive)
}

// AwaitCollected returns when the processes, which have ended, were waited for
// by their parents as well: until then they are still listed.
func AwaitCollected(ctx context.Context, processes ...Identity) error {
	return awaitNone(ctx, processes, func(p Identity) bool {
		now, err := Of(p.PID)
		return err == nil && now == p
	})
}

// awaitNone returns when none of the processes is in the state any more.
func awaitNone(ctx context.Context, processes []Identity, state func(Identity) bool) error {
	for {
		at := slices.IndexFunc(processes, state)
		if at < 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the end of process %d: %w", processes[at].PID, ctx.Err())
		case <-time.After(endPoll):
		}
	}
}
