// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster makes, shows and removes the whole cluster.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/csi-operator/csi-operator/hack/internal/node"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

// state is what the cluster must know of itself; it is kept in a file.
type state struct {
	Nodes int `json:"nodes"`
	// Complete tells that the cluster has been up: it is not half made.
	Complete bool `json:"complete"`
	// CreatedFolders are those that the machine did not have before.
	CreatedFolders []string      `json:"createdFolders"`
	Binaries       node.Binaries `json:"binaries"`
}

func stateFile(paths plan.Paths) string { return filepath.Join(paths.State, "cluster.json") }

// load returns the state; the error is fs.ErrNotExist if there is none.
func load(paths plan.Paths) (state, error) {
	content, err := os.ReadFile(stateFile(paths))
	if err != nil {
		return state{}, fmt.Errorf("reading the state of the cluster: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("reading the state of the cluster: %w", err)
	}
	if s.Nodes < 1 || s.Nodes > plan.MaxNodes {
		return state{}, fmt.Errorf("reading the state of the cluster: %d is no number of nodes", s.Nodes)
	}
	return s, nil
}

func (s state) save(paths plan.Paths) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the state of the cluster: %w", err)
	}
	temporary := stateFile(paths) + ".tmp"
	if err := os.WriteFile(temporary, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("saving the state of the cluster: %w", err)
	}
	if err := os.Rename(temporary, stateFile(paths)); err != nil {
		return fmt.Errorf("saving the state of the cluster: %w", err)
	}
	return nil
}

// absent returns those of the folders, and of the folders above them, that do
// not exist, the deepest first.
func absent(folders []string) ([]string, error) {
	var missing []string
	for _, folder := range folders {
		for ; ; folder = filepath.Dir(folder) {
			_, err := os.Stat(folder)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("looking for %q: %w", folder, err)
			}
			missing = append(missing, folder)
		}
	}
	slices.SortFunc(missing, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(missing), nil
}

func makeAll(folders []string) error {
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	return nil
}
