// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

const (
	// contestPause is the time between two healings of an object that others change
	// again whenever it has been healed.
	contestPause = 10 * time.Second
	// contestBurst is how many healings of one object come without a pause.
	contestBurst = 10
	// contestEnd is how many healings there must be to spare until a contest is over:
	// else it would be told and forgotten with each of them.
	contestEnd = 2
)

// contested holds a change back while its object has been healed too often, lately.
func (l *ledger) contested(e entry, change plan.Change) held {
	if !heals(change) || e.heals == nil {
		return held{}
	}
	missing := 1 - e.heals.TokensAt(l.now())
	if missing <= 0 {
		return held{}
	}
	by := cmp.Or(plan.LastWriter(change.Live, change.Fields), e.rival)
	return held{why: &apply.ContestedError{Object: change.Ref, Manager: by}, left: time.Duration(missing * float64(contestPause))}
}

// contests are errors for the objects that others change again and again, although they
// may be as they should be right now.
func (l *ledger) contests(d *v1alpha1.CSIDriverDeployment) error {
	entries, now := l.entries(d), l.now()
	var errs []error
	for _, ref := range slices.SortedFunc(maps.Keys(entries), plan.Ref.Compare) {
		if e := entries[ref]; e.heals != nil && e.heals.TokensAt(now) < contestEnd {
			errs = append(errs, &apply.ContestedError{Object: ref, Manager: e.rival})
		}
	}
	return errors.Join(errs...)
}

// countHealing keeps the account of an object's healings.
func (l *ledger) countHealing(e *entry, change plan.Change) {
	if e.heals == nil {
		e.heals = rate.NewLimiter(rate.Every(contestPause), contestBurst)
	}
	e.heals.AllowN(l.now(), 1)
	e.rival = cmp.Or(plan.LastWriter(change.Live, change.Fields), "somebody")
}

// heals is true for a change that others made necessary: what was applied was changed,
// or is gone.
func heals(change plan.Change) bool {
	return change.Action == plan.Heal || change.Action == plan.Recreate || change.Action == plan.Create && change.Last != ""
}
