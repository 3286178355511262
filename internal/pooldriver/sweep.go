// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// sweepEvery is often enough for what interrupted calls leave, and seldom enough for
// the look at every volume that a sweep takes.
const sweepEvery = 5 * time.Minute

// sweeper clears the pool now and then of what interrupted calls left: it counts
// against the pool until it is gone.
type sweeper struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

// run only logs an error: whoever uses what cannot be swept meets it too.
func (s *sweeper) run(ctx context.Context, p *pool.Pool) {
	if !s.due() {
		return
	}
	if err := p.Sweep(); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "Sweeping the pool stopped")
	}
}

func (s *sweeper) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.last.IsZero() && now.Sub(s.last) < sweepEvery {
		return false
	}
	s.last = now
	return true
}
