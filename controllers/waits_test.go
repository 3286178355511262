// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/csi-operator/csi-operator/internal/health"
)

func never(string) bool { return false }

// TestOverdueBefore: what an earlier process told of is overdue at the first look, and what
// comes later is not.
func TestOverdueBefore(t *testing.T) {
	a, b := health.Wait{Key: "a", Patience: time.Minute}, health.Wait{Key: "b", Patience: time.Minute}
	told := func(key string) bool { return key == "a" }
	w := newWaits(0)
	if got, again := w.overdue("d", []health.Wait{a, b}, told); !got["a"] || got["b"] || again <= 0 {
		t.Errorf("overdue are %v, again after %s", got, again)
	}
	if got, _ := w.overdue("d", nil, told); len(got) > 0 {
		t.Errorf("overdue are %v", got)
	}
	if got, _ := w.overdue("d", []health.Wait{a}, told); len(got) > 0 {
		t.Errorf("what has ended and begun anew is overdue: %v", got)
	}
}

// TestOverdue: what lasts too long is told, each by its own patience, and what has ended
// meanwhile begins anew.
func TestOverdue(t *testing.T) {
	const patience = 5 * time.Second
	a, b := health.Wait{Key: "a", Patience: patience}, health.Wait{Key: "b", Patience: 2 * patience}
	for again, name := range map[time.Duration]string{time.Minute: "Again", 0: "Once"} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			w := newWaits(again)
			w.now = func() time.Time { return now }
			for i, step := range []struct {
				after time.Duration
				waits []health.Wait
				want  []string
				again time.Duration
			}{
				{0, []health.Wait{a}, nil, patience},
				{patience - time.Second, []health.Wait{a, b}, nil, time.Second},
				{time.Second, []health.Wait{a, b}, []string{"a"}, 2*patience - time.Second},
				{2*patience - time.Second, []health.Wait{a, b}, []string{"a", "b"}, again},
				{time.Second, []health.Wait{b}, []string{"b"}, again},
				{time.Second, []health.Wait{a, b}, []string{"b"}, patience},
				{time.Second, nil, nil, 0},
				{time.Second, []health.Wait{b}, nil, 2 * patience},
			} {
				now = now.Add(step.after)
				got, next := w.overdue("d", step.waits, never)
				want := map[string]bool{}
				for _, key := range step.want {
					want[key] = true
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || next != step.again {
					t.Errorf("step %d: again after %s, want %s; -want, +got:\n%s", i, next, step.again, diff)
				}
			}
			if got, _ := w.overdue("other", []health.Wait{b}, never); len(got) > 0 {
				t.Errorf("one driver's wait is overdue of another: %v", got)
			}
			w.forget("d")
			w.forget("other")
			if len(w.since) > 0 {
				t.Errorf("kept: %v", w.since)
			}
		})
	}
}
