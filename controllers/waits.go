// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"github.com/csi-operator/csi-operator/internal/health"
)

// waits know since when each driver waits for what.
type waits struct {
	// again is when there may be more to tell of what is overdue; 0 for never.
	again time.Duration

	mu    sync.Mutex
	since map[string]map[string]time.Time // by driver and key
	now   func() time.Time
}

func newWaits(again time.Duration) *waits {
	return &waits{again: again, since: map[string]map[string]time.Time{}, now: time.Now}
}

// overdue has the keys of those that have lasted too long, and when to look again; 0 for
// never. What is not among the given ones has ended. Those that an earlier process has told
// of have lasted too long when this one looks first.
func (w *waits) overdue(driver string, all []health.Wait, told func(key string) bool) (keys map[string]bool, again time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, looked := w.since[driver]
	since := map[string]time.Time{}
	w.since[driver] = since
	if len(all) == 0 {
		return nil, 0
	}
	keys = map[string]bool{}
	for _, one := range all {
		begun, known := before[one.Key]
		switch {
		case !looked && told(one.Key):
			begun = w.now().Add(-one.Patience)
		case !known:
			begun = w.now()
		}
		since[one.Key] = begun
		if left := one.Patience - w.now().Sub(begun); left > 0 {
			again = sooner(again, left)
			continue
		}
		keys[one.Key] = true
		again = sooner(again, w.again)
	}
	return keys, again
}

// forget ends all waits of a driver that is gone.
func (w *waits) forget(driver string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.since, driver)
}
