// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/process"
	"github.com/csi-operator/csi-operator/test/bench/stats"
)

// effect is what the operator did because of what others did.
type effect struct {
	// over is how long the others took, told is how much later the operator's last
	// status was there.
	over, told time.Duration
	// sent leaves out watches and housekeeping.
	sent       audit.Records
	reconciles int
	cpu        time.Duration
}

// effectOf does something, waits until the operator has told of it and is calm, and looks at
// what it took to do so. Reading the operator's metrics is not part of it.
func (s *steady) effectOf(ctx context.Context, do, told func() error) (e effect, err error) {
	before, err := s.operator.Reconciles(ctx)
	if err != nil {
		return e, err
	}
	spent, err := process.CPU(s.operator.PID)
	if err != nil {
		return e, err
	}
	var begin, end time.Time
	e.sent, err = s.during(ctx, func() error {
		begin = time.Now()
		if err := do(); err != nil {
			return err
		}
		end = time.Now()
		return await(ctx, "the status tells what became of it", told)
	})
	if err != nil {
		return e, err
	}
	after, err := process.CPU(s.operator.PID)
	if err != nil {
		return e, err
	}
	now, err := s.operator.Reconciles(ctx)
	e.over, e.cpu, e.reconciles = end.Sub(begin), after-spent, now-before
	if last := e.sent.Where(isStatusSent).Last(); !last.IsZero() {
		e.told = last.Sub(end)
	}
	return e, err
}

// isStatusSent is true for a status of a driver, also for one that was refused.
func isStatusSent(r audit.Record) bool { return r.Resource == drivers+"/status" && r.Write() }

// allowed is how often a status may be written that is written once a second at most: in
// every second of a burst, when it begins, and when it has ended.
func allowed(over time.Duration) int { return int(over/time.Second) + 2 }

// burst notes what the operator made of many changes at once.
func (r *report) burst(what string, e effect) {
	r.count(targetMany, what+": status writes", e.sent.Where(isStatusSent), allowed(e.over), fmt.Sprintf("in %.1f s", e.over.Seconds()))
	others := e.sent.Where(audit.Not(isStatusSent))
	r.explain(targetMany, what+": other requests", "", float64(len(others)), tally(others))
	r.explain(targetMany, what+": reconciles", "", float64(e.reconciles), "")
	r.explain(targetMany, what+": processor time of the operator", "ms", milliseconds(e.cpu), "")
	r.explain(targetMany, what+": from the last of it until the status tells", "ms", milliseconds(e.told), "")
}

// begun notes what a start takes with everything in place; now and alone are resident
// memory in MiB, with and without the nodes.
func (r *report) begun(sent audit.Records, spent time.Duration, alone, now stats.Summary) {
	written := sent.Where(audit.Record.Write, audit.Not(audit.Record.Housekeeping))
	r.count(targetMany, "start with all in place: writes", written, 0, "")
	r.explain(targetMany, "start with all in place: requests", "", float64(len(sent)), tally(sent))
	r.explain(targetMany, "start with all in place: processor time of the operator", "ms", milliseconds(spent), "")
	r.value(targetMany, "RSS growth after a start with all in place", "MiB", now.Median-alone.Median, 25,
		fmt.Sprintf("%.1f with one driver and no node, now %.1f", alone.Median, now.Median))
}

// heartbeats notes what came of a heartbeat of each node, which is to be nothing.
func (r *report) heartbeats(nodes int, e effect) {
	note := fmt.Sprintf("%d Nodes and Leases in %.1f s", nodes, e.over.Seconds())
	r.count(targetMany, "heartbeats: requests", e.sent, 0, note)
	r.value(targetMany, "heartbeats: reconciles", "", float64(e.reconciles), 0, note)
	r.explain(targetMany, "heartbeats: processor time of the operator", "ms", milliseconds(e.cpu), "")
}

// tally counts requests by what they do, the most frequent first.
func tally(records audit.Records) string {
	counts := map[string]int{}
	for _, r := range records {
		what := r.Verb
		if r.Event() && r.Write() {
			what += " of events"
		}
		counts[what]++
	}
	var texts []string
	for _, what := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	}) {
		texts = append(texts, fmt.Sprintf("%d %s", counts[what], what))
	}
	return strings.Join(texts, ", ")
}
