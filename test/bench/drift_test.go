// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestEveryKindHasADrift: a kind that is new would end the benchmark after minutes.
func TestEveryKindHasADrift(t *testing.T) {
	set, err := desired.Render(driver("a.example.com"), facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range set.Objects {
		if drifts()[o.Intent.GetKind()] == "" {
			t.Errorf("no drift of kind %s is known", o.Intent.GetKind())
		}
	}
}
