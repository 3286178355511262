// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package stats says in few numbers what many measurements show.
package stats

import (
	"fmt"
	"math"
	"slices"
)

// Summary is the middle of some values and where four fifths of them lie.
type Summary struct {
	Median float64 `json:"median"`
	P10    float64 `json:"p10"`
	P90    float64 `json:"p90"`
}

// Summarize needs at least one value, in any order; all of it is NaN otherwise.
func Summarize(values []float64) Summary {
	return Summary{Median: Median(values), P10: Percentile(values, 10), P90: Percentile(values, 90)}
}

// Median is the middle value, or the mean of the two in the middle.
func Median(values []float64) float64 { return Percentile(values, 50) }

// Percentile is the value below which p per cent of the others lie, with straight
// lines between neighbours; NaN without values.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	place := p / 100 * float64(len(sorted)-1)
	below := int(math.Floor(place))
	above := min(below+1, len(sorted)-1)
	share := place - float64(below)
	return sorted[below]*(1-share) + sorted[above]*share
}

// Ratios divides each value by the one of the same place, measured in the same
// repetition: what disturbs a machine for a while disturbs both.
func Ratios(values, by []float64) ([]float64, error) {
	if len(values) != len(by) {
		return nil, fmt.Errorf("%d values make no pairs with %d", len(values), len(by))
	}
	ratios := make([]float64, len(values))
	for i := range values {
		if by[i] <= 0 {
			return nil, fmt.Errorf("pair %d: %v / %v is no ratio", i, values[i], by[i])
		}
		ratios[i] = values[i] / by[i]
	}
	return ratios, nil
}
