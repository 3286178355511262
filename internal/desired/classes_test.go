// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	drivermount "github.com/csi-operator/csi-operator/internal/mount"
)

// TestMountOptionsAreTheDriversOwn: the operator may not import the driver's
// side, but its tests may. A refusal of the driver names all that it allows.
func TestMountOptionsAreTheDriversOwn(t *testing.T) {
	refusal := drivermount.CheckOptions([]string{"no such option"})
	if refusal == nil {
		t.Fatal("the driver allows anything")
	}
	_, allowed, found := strings.Cut(refusal.Error(), "; the allowed ones are ")
	if !found {
		t.Fatalf("the refusal names no options: %v", refusal)
	}
	if diff := cmp.Diff(strings.Split(allowed, ", "), mountOptions[:]); diff != "" {
		t.Errorf("-driver, +operator:\n%s", diff)
	}
	if err := drivermount.CheckOptions(mountOptions[:]); err != nil {
		t.Errorf("the driver refuses what the operator admits: %v", err)
	}
}
