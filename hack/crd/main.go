// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command crd finishes a generated CRD: descriptions inside the types of Kubernetes,
// which Kubernetes documents itself, are left out, since a CRD that kubectl apply
// takes may not be larger than its last-applied annotation.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	for _, path := range os.Args[1:] {
		if err := finish(path); err != nil {
			fmt.Fprintln(os.Stderr, "crd:", err)
			os.Exit(1)
		}
	}
}

// finish rewrites the CRD in the file at path.
func finish(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var crd map[string]any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	shorten(crd)
	if text, err = yaml.Marshal(crd); err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte("---\n"), text...), 0o644)
}
