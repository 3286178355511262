// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"time"

	"golang.org/x/time/rate"

	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

const (
	// contestPause is the time between two healings of an object that others change
	// again whenever it has been healed.
	contestPause = 10 * time.Second
	// contestBurst is how many healings of one object come without a pause.
	contestBurst = 10
)

// contested is an error while an object has been healed too often, lately.
func (l *ledger) contested(e entry, change plan.Change) error {
	if !heals(change) || e.heals == nil || e.heals.TokensAt(l.now()) >= 1 {
		return nil
	}
	by := cmp.Or(plan.LastWriter(change.Live, change.Fields), "somebody")
	return &apply.ContestedError{Object: change.Ref, Manager: by}
}

// countHealing returns the account of an object's healings after a change.
func (l *ledger) countHealing(e entry, change plan.Change) *rate.Limiter {
	if !heals(change) {
		return e.heals
	}
	if e.heals == nil {
		e.heals = rate.NewLimiter(rate.Every(contestPause), contestBurst)
	}
	e.heals.AllowN(l.now(), 1)
	return e.heals
}

func heals(change plan.Change) bool {
	return change.Action == plan.Heal || change.Action == plan.Recreate
}
