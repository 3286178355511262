// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"cmp"
	"fmt"
	"slices"
)

// absent is the value of what is not there.
const absent = "absent"

// Difference is one thing that two sets of facts say differently.
type Difference struct{ Path, Want, Got string }

func (d Difference) String() string {
	return fmt.Sprintf("%s: want %s, got %s", d.Path, d.Want, d.Got)
}

// Compare lists what the rendered facts say differently from the recorded ones
// and allow does not list, and what allow lists in vain. Rights are compared by
// coverage; see ExtraRights for those that are granted beyond.
func Compare(want, got Facts, allow Allowances) []Difference {
	return compareWith(want, want.leaves(), got, allow)
}

// compareWith is Compare for a want that was taken apart before.
func compareWith(want Facts, parts leaves, got Facts, allow Allowances) []Difference {
	list := compareLeaves(parts, got.leaves())
	for _, g := range grants(want, got) {
		list = append(list, g.differences()...)
	}
	for path, value := range got.Beyond {
		list = append(list, Difference{"beyond/" + path, absent, value})
	}
	list = allow.apply(list)
	slices.SortFunc(list, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Got, b.Got))
	})
	return list
}

func compareLeaves(want, got leaves) []Difference {
	var list []Difference
	for path, value := range want {
		if other, there := got[path]; !there {
			list = append(list, Difference{path, value, absent})
		} else if other != value {
			list = append(list, Difference{path, value, other})
		}
	}
	for path, value := range got {
		if _, there := want[path]; !there {
			list = append(list, Difference{path, absent, value})
		}
	}
	return list
}
