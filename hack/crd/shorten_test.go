// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFinishKeepsOurDescriptionsOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crd.yaml")
	before := `---
properties:
  driver:
    description: ours
    properties:
      description: {description: "ours, of a field with such a name", type: string}
      env:
        description: ours as well
        items:
          properties:
            name: {description: of Kubernetes, type: string}
          type: object
        type: array
    type: object
`
	want := `---
properties:
  driver:
    description: ours
    properties:
      description:
        DESCRIPTION: ours, of a field with such a name
        type: string
      env:
        description: ours as well
        items:
          properties:
            name:
              type: string
          type: object
        type: array
    type: object
`
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is finished stays as it is
		if err := finish(path); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.ReplaceAll(want, "DESCRIPTION", "description"), string(got)); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	}
}
