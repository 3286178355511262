// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// usedMetrics are what alerts and dashboard use beside the metrics of drivers, a line each:
// name, type, labels.
func usedMetrics(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "#")
	})
}

// exposed is an error as long as the running operator lacks one of these metrics, or has it
// with another type or other labels.
func exposed(used []string) error {
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		return err
	}
	var found []string
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		line := strings.TrimSpace(f.GetName() + " " + f.GetType().String() + " " + strings.Join(labels, ","))
		if isNamed(used, f.GetName()) {
			found = append(found, line)
		}
	}
	if diff := cmp.Diff(used, found); diff != "" {
		return fmt.Errorf("-testdata/metrics.txt, +the operator:\n%s", diff)
	}
	return nil
}

func isNamed(lines []string, name string) bool {
	return slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, name+" ") })
}
