// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tally counts what happened.
type tally struct {
	kills, starting, resting, errors int
	during                           map[activity]int
	steps                            map[string]int
}

// count notes what a kill at work has hit: what was under way, which may be work for
// several drivers, or nothing.
func (d *drill) count(s sight) {
	hit := map[activity]bool{}
	for _, subject := range d.drivers {
		if d.reference.done(d.t.Context(), subject, s) != nil {
			hit[subject.last] = true
		}
	}
	for what := range hit {
		d.tally.during[what]++
	}
	if len(hit) == 0 {
		d.tally.resting++
	}
}

// String is the summary.
func (t tally) String() string {
	var done []string
	for _, name := range slices.Sorted(maps.Keys(t.steps)) {
		done = append(done, fmt.Sprintf("%d %s", t.steps[name], name))
	}
	return fmt.Sprintf("%d kills, of which %d hit a start, %d an installation, %d a change, %d a removal, and %d an operator at rest; one may hit several. Steps: %s. The operators logged %d errors",
		t.kills, t.starting, t.during[install], t.during[change], t.during[removal], t.resting, strings.Join(done, ", "), t.errors)
}
