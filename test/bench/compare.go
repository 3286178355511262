// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"github.com/csi-operator/csi-operator/test/bench/stats"
)

func applied(s sample) float64 { return s.Applied }

func settled(s sample) float64 { return s.Settled }

// comparison is a ratio of two arms in one stage.
type comparison struct {
	target int
	what   string
	stage  string
	arm    string
	by     string
	of     func(sample) float64
	bound  float64 // 0: it only explains
}

// comparisons are the ratios of targets 1 to 3, and what explains them: the limited
// floor has the operator's rights.
func comparisons(drivers int) []comparison {
	many := fmt.Sprintf("%d drivers", drivers)
	return []comparison{
		{1, "driver until last object / floor", stageNext, armOperator, armFloor, applied, 1.3},
		{1, "the same, first after a start", stageFirst, armOperator, armFloor, applied, 1.3},
		{1, "driver until last object / limited floor", stageNext, armOperator, armLimited, applied, 0},
		{1, "the same, first after a start", stageFirst, armOperator, armLimited, applied, 0},
		{1, "limited floor / floor", stageNext, armLimited, armFloor, applied, 0},
		{2, "driver until settled / floor", stageNext, armOperator, armFloor, settled, 1.5},
		{2, "driver until settled / limited floor", stageNext, armOperator, armLimited, settled, 0},
		{3, many + " until last object / floor", stageMany, armOperator, armFloor, applied, 1.5},
		{3, many + " until last object / limited floor", stageMany, armOperator, armLimited, applied, 0},
		{3, many + " until settled / floor", stageMany, armOperator, armFloor, settled, 0},
		{3, "limited floor / floor, " + many, stageMany, armLimited, armFloor, applied, 0},
	}
}

// installations notes what came of targets 1 to 3.
func (r *report) installations() error {
	for _, c := range comparisons(r.Drivers) {
		if err := r.compare(c); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	for _, s := range []string{stageNext, stageMany} {
		for _, arm := range []string{armFloor, armLimited, armOperator} {
			r.processorTime(s, arm)
		}
	}
	ours := r.Samples[armOperator]
	single, many := slices.Concat(ours[stageFirst], ours[stageNext]), ours[stageMany]
	requests := func(s sample) float64 { return s.Requests }
	r.value(2, "requests for each object of one driver, at most", "", slices.Max(each(single, requests)), 1.2, "finalizer and status included")
	r.value(2, fmt.Sprintf("requests for each object of %d drivers, at most", r.Drivers), "", slices.Max(each(many, requests)), 1.2, "the mean of all objects")
	all := slices.Concat(single, many)
	most := func(of func(sample) float64) float64 { return slices.Max(each(all, of)) }
	r.value(2, "live reads, at most", "", most(func(s sample) float64 { return float64(s.Reads) }), 0, "discovery included")
	r.explain(2, "events, at most", "", most(func(s sample) float64 { return float64(s.Events) }), "")
	return nil
}

func (r *report) compare(c comparison) error {
	values, floor := each(r.Samples[c.arm][c.stage], c.of), each(r.Samples[c.by][c.stage], applied)
	ratios, err := stats.Ratios(values, floor)
	if err != nil {
		return err
	}
	s := stats.Summarize(ratios)
	note := fmt.Sprintf("%s; %.0f ms / %.0f ms", spread(s), stats.Median(values), stats.Median(floor))
	if c.bound == 0 {
		r.explain(c.target, c.what, "×", s.Median, note)
		return nil
	}
	r.value(c.target, c.what, "×", s.Median, c.bound, note)
	return nil
}

// processorTime notes what the API server had to do for one arm, and the operator.
func (r *report) processorTime(stage, arm string) {
	target := 1
	if stage == stageMany {
		target = 3
	}
	samples := r.Samples[arm][stage]
	note := ""
	if arm == armOperator {
		note = fmt.Sprintf("and %.0f ms of its own", stats.Median(each(samples, func(s sample) float64 { return s.OwnCPU })))
	}
	server := stats.Median(each(samples, func(s sample) float64 { return s.ServerCPU }))
	r.explain(target, "processor time of the API server, "+stage+", "+arm, "ms", server, note)
}

func each(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}
