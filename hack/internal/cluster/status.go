// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	"github.com/csi-operator/csi-operator/hack/internal/controlplane"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// Status is what there is to see of the cluster.
type Status struct {
	// Processes are those of the control plane.
	Processes []ProcessStatus
	Nodes     []NodeStatus
}

// ProcessStatus tells of one process; PID is 0 if it was never started.
type ProcessStatus struct {
	Name  string
	PID   int
	Alive bool
}

// NodeStatus tells of one node.
type NodeStatus struct {
	// State is "running", "partitioned", "stopped" or "down".
	Name, State string
	// Ready is "True" or "False" as the API server says, "absent" if it does not
	// know the node, or "unknown" if it does not answer.
	Ready string
}

// Healthy reports whether everything runs and all nodes are Ready.
func (s Status) Healthy() bool {
	for _, p := range s.Processes {
		if !p.Alive {
			return false
		}
	}
	for _, n := range s.Nodes {
		if n.State != "running" || n.Ready != "True" {
			return false
		}
	}
	return true
}

// Status looks at the cluster. It is an error if there is none.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	nodes, err := c.Nodes()
	if err != nil {
		return Status{}, err
	}
	var s Status
	records := process.NewRecords(c.paths.Processes())
	for _, component := range controlplane.Components(c.paths) {
		p, alive, err := records.Read(component.Name)
		if err != nil {
			return Status{}, err
		}
		s.Processes = append(s.Processes, ProcessStatus{Name: component.Name, PID: p.PID, Alive: alive})
	}
	ready := c.readyWords(ctx)
	for _, n := range nodes {
		state, err := n.State()
		if err != nil {
			return Status{}, err
		}
		s.Nodes = append(s.Nodes, NodeStatus{Name: n.Name(), State: state.String(), Ready: ready(n.Name())})
	}
	return s, nil
}

// readyWords asks the API server once and returns its answer for each node.
func (c *Cluster) readyWords(ctx context.Context) func(name string) string {
	api, err := controlplane.NewAPI(c.paths)
	if err != nil {
		return func(string) string { return "unknown" }
	}
	all, err := api.ReadyNodes(ctx)
	if err != nil {
		return func(string) string { return "unknown" }
	}
	return func(name string) string {
		ready, known := all[name]
		switch {
		case !known:
			return "absent"
		case ready:
			return "True"
		}
		return "False"
	}
}
