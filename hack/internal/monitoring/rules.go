// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package monitoring checks what config/prometheus and config/grafana give to those who run
// Prometheus: the alerts by promtool, all queries by the parser of PromQL.
package monitoring

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
	"github.com/csi-operator/csi-operator/hack/internal/repo"
)

// Main checks the rules of the working tree, and runs their unit tests.
func Main(ctx context.Context, out, messages io.Writer) error {
	root, err := repo.Root(".")
	if err != nil {
		return err
	}
	cache, err := build.CacheDir()
	if err != nil {
		return err
	}
	tool, err := promtool(ctx, cache, progress.New(messages, progressInterval))
	if err != nil {
		return err
	}
	return testRules(ctx, tool, filepath.Join(root, "config", "prometheus"), out)
}

const (
	rulesFile = "rules.yaml"
	testsFile = "rules_test.yaml"
	// groupsFile is what the unit tests call the rules.
	groupsFile = "groups.yaml"
)

// testRules runs promtool on the rules in dir, and on their unit tests.
func testRules(ctx context.Context, tool, dir string, out io.Writer) error {
	work, err := os.MkdirTemp("", "csi-operator-rules-")
	if err != nil {
		return fmt.Errorf("making a folder for the rules: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := prepare(dir, work); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"check", "rules", "--lint-fatal", groupsFile},
		{"test", "rules", testsFile},
	} {
		command := exec.CommandContext(ctx, tool, arguments...)
		command.Dir, command.Stdout, command.Stderr = work, out, out
		if err := command.Run(); err != nil {
			return fmt.Errorf("running promtool %s: %w", arguments[0], err)
		}
	}
	return nil
}

// prepare puts into work what promtool reads: the rules without the object that they are in,
// and the tests.
func prepare(dir, work string) error {
	object, err := os.ReadFile(filepath.Join(dir, rulesFile))
	if err != nil {
		return fmt.Errorf("reading the rules: %w", err)
	}
	groups, err := extract(object)
	if err != nil {
		return err
	}
	tests, err := os.ReadFile(filepath.Join(dir, testsFile))
	if err != nil {
		return fmt.Errorf("reading the tests of the rules: %w", err)
	}
	for name, text := range map[string][]byte{groupsFile: groups, testsFile: tests} {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o600); err != nil {
			return fmt.Errorf("preparing the tests of the rules: %w", err)
		}
	}
	return nil
}

// extract returns the rules in a PrometheusRule, as Prometheus reads them.
func extract(object []byte) ([]byte, error) {
	var rule struct {
		Kind string `json:"kind"`
		Spec struct {
			Groups []any `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(object, &rule); err != nil {
		return nil, fmt.Errorf("reading %s: %w", rulesFile, err)
	}
	if rule.Kind != "PrometheusRule" || len(rule.Spec.Groups) == 0 {
		return nil, fmt.Errorf("reading %s: it is no PrometheusRule with groups but a %q", rulesFile, rule.Kind)
	}
	return yaml.Marshal(map[string]any{"groups": rule.Spec.Groups})
}
