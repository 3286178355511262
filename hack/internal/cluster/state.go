// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster makes, shows and removes the whole cluster.
package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/csi-operator/csi-operator/hack/internal/jsonfile"
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
	// Settings is a hash of everything else that the processes were started with.
	Settings string `json:"settings"`
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
	if err := jsonfile.Write(stateFile(paths), s); err != nil {
		return fmt.Errorf("saving the state of the cluster: %w", err)
	}
	return nil
}

// differences tells in words what of a cluster that is up is not as wanted; nil
// if nothing is.
func (s state) differences(wanted state) []string {
	var found []string
	if s.Nodes != wanted.Nodes {
		found = append(found, fmt.Sprintf("it has %d nodes, not %d", s.Nodes, wanted.Nodes))
	}
	if s.Binaries.Kubernetes != wanted.Binaries.Kubernetes {
		found = append(found, "it runs another build of Kubernetes")
	}
	if s.Binaries.Containerd != wanted.Binaries.Containerd {
		found = append(found, "it runs another build of containerd")
	}
	// Settings depend on the number of nodes: they tell something of their own
	// only if that is the same.
	if s.Nodes == wanted.Nodes && s.Settings != wanted.Settings {
		found = append(found, "it was started with other settings")
	}
	return found
}
