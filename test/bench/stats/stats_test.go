// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/csi-operator/csi-operator/test/bench/stats"
)

func TestSummarize(t *testing.T) {
	nan := math.NaN()
	for name, tc := range map[string]struct {
		values []float64
		want   stats.Summary
	}{
		"None":     {nil, stats.Summary{Median: nan, P10: nan, P90: nan}},
		"One":      {[]float64{7}, stats.Summary{Median: 7, P10: 7, P90: 7}},
		"Two":      {[]float64{4, 2}, stats.Summary{Median: 3, P10: 2.2, P90: 3.8}},
		"Odd":      {[]float64{9, 1, 5}, stats.Summary{Median: 5, P10: 1.8, P90: 8.2}},
		"Outlier":  {[]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 900}, stats.Summary{Median: 1, P10: 1, P90: 1}},
		"Eleven":   {[]float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, stats.Summary{Median: 5, P10: 1, P90: 9}},
		"AllAlike": {[]float64{3, 3, 3, 3}, stats.Summary{Median: 3, P10: 3, P90: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			got := stats.Summarize(tc.values)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestSummarizeKeepsTheOrder(t *testing.T) {
	values := []float64{3, 1, 2}
	stats.Summarize(values)
	if diff := cmp.Diff([]float64{3, 1, 2}, values); diff != "" {
		t.Errorf("the values were sorted in place: -want, +got:\n%s", diff)
	}
}

func TestRatios(t *testing.T) {
	got, err := stats.Ratios([]float64{2, 9, 1}, []float64{1, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{2, 3, 0.25}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	for name, by := range map[string][]float64{"TooFew": {1, 2}, "Zero": {1, 0, 1}} {
		t.Run(name, func(t *testing.T) {
			if got, err := stats.Ratios([]float64{1, 2, 3}, by); err == nil {
				t.Errorf("ratios %v of values without partners", got)
			}
		})
	}
}
