// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// Allowances are what the operator does differently for one driver on purpose.
type Allowances struct {
	Differences []Allowed `json:"differences,omitempty"`
	// ExtraRights are exactly those that ExtraRights finds.
	ExtraRights map[string][]string `json:"extraRights,omitempty"`
}

// Allowed are differences of one kind: at each of Paths, Got is found, for one
// reason.
type Allowed struct {
	Reason string   `json:"reason"`
	Got    string   `json:"got"`
	Paths  []string `json:"paths"`
}

// LoadAllowances reads allowances. Each has a reason.
func LoadAllowances(path string) (Allowances, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Allowances{}, fmt.Errorf("reading allowances: %w", err)
	}
	var a Allowances
	if err := yaml.UnmarshalStrict(raw, &a); err != nil {
		return Allowances{}, fmt.Errorf("decoding allowances %s: %w", path, err)
	}
	for _, allowed := range a.Differences {
		if allowed.Reason == "" || allowed.Got == "" || len(allowed.Paths) == 0 {
			return Allowances{}, fmt.Errorf("allowances %s: reason, got or paths is missing in %+v", path, allowed)
		}
	}
	return a, nil
}

// count is how many differences and extra rights are allowed.
func (a Allowances) count() int {
	n := 0
	for _, allowed := range a.Differences {
		n += len(allowed.Paths)
	}
	for _, rights := range a.ExtraRights {
		n += len(rights)
	}
	return n
}

// apply takes what is allowed out of list, and adds what is allowed and is not
// there. An allowance holds for one value only.
func (a Allowances) apply(list []Difference) []Difference {
	type key struct{ path, got string }
	open := map[key]bool{}
	for _, allowed := range a.Differences {
		for _, path := range allowed.Paths {
			open[key{path, allowed.Got}] = true
		}
	}
	var left []Difference
	for _, d := range list {
		k := key{d.Path, d.Got}
		if !open[k] {
			left = append(left, d)
			continue
		}
		delete(open, k)
	}
	for k := range open {
		left = append(left, Difference{k.path, "the allowed " + k.got, "no such difference"})
	}
	return left
}
