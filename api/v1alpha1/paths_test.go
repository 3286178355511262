// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestSchemaHasTheListsOfPaths compares the rules of the schema with the lists
// that the operator looks into.
func TestSchemaHasTheListsOfPaths(t *testing.T) {
	text, err := os.ReadFile("../../config/crd/bases/csi-operator.io_csidriverdeployments.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(rules(crd), "\n")
	below := make([]string, 0, len(v1alpha1.SystemTrees()))
	for _, dir := range v1alpha1.SystemTrees() {
		below = append(below, dir+"/")
	}
	for name, tc := range map[string]struct {
		rule string
		want []string
	}{
		"Directories": {`\[([^\]]*)\]\.exists\(p, self == p\)`, v1alpha1.SystemDirectories()},
		"Trees":       {`\[([^\]]*)\]\.exists\(p, \(self \+ '/'\)\.startsWith\(p\)\)`, below},
	} {
		t.Run(name, func(t *testing.T) {
			found := regexp.MustCompile(tc.rule).FindAllStringSubmatch(all, -1)
			if len(found) != 1 {
				t.Fatalf("%d rules of this form", len(found))
			}
			got := regexp.MustCompile(`/[a-z0-9/]+`).FindAllString(found[0][1], -1)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-Go, +schema:\n%s", diff)
			}
		})
	}
}

// rules are all CEL rules in a schema.
func rules(schema any) (found []string) {
	switch v := schema.(type) {
	case map[string]any:
		for key, below := range v {
			if rule, ok := below.(string); ok && key == "rule" {
				found = append(found, rule)
			}
			found = append(found, rules(below)...)
		}
	case []any:
		for _, below := range v {
			found = append(found, rules(below)...)
		}
	}
	return found
}

// TestPathsOfTheSystem asks the API server.
func TestPathsOfTheSystem(t *testing.T) {
	const (
		directory = "path is a directory of the system; choose one below it"
		tree      = "path lies in a directory of the system that cannot hold a pool"
	)
	want := map[string]string{"/varlib": "", "/etcetera": "", "/var/lib/etcd2": "", "/var/lib/pool": ""}
	for _, dir := range v1alpha1.SystemTrees() {
		want[dir], want[dir+"/pool"], want[dir+"/deep/down"] = tree, tree, tree
	}
	for _, dir := range v1alpha1.SystemDirectories() {
		want[dir], want[dir+"/pool"] = directory, ""
	}
	for path, part := range want {
		o := object(t, "path.example.com", fmt.Sprintf("bundled: {mode: Shared, path: %q}", path))
		t.Run(path, func(t *testing.T) {
			check(t, server.Create(t.Context(), o, client.DryRunAll), part)
		})
	}
	if both := slices.DeleteFunc(v1alpha1.SystemDirectories(), func(d string) bool { return !slices.Contains(v1alpha1.SystemTrees(), d) }); len(both) > 0 {
		t.Errorf("in both lists: %q", both)
	}
}
