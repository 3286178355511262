// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/controlplane"
	"github.com/csi-operator/csi-operator/hack/internal/node"
	"github.com/csi-operator/csi-operator/hack/internal/pki"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// Cluster is the cluster of this machine, whether it is up or not.
type Cluster struct {
	paths plan.Paths
	// pools is the folder that all nodes share.
	pools   string
	printer *progress.Printer
}

// New returns the cluster that has its state in the folder stateDir.
func New(stateDir string, printer *progress.Printer) (*Cluster, error) {
	if !filepath.IsAbs(stateDir) || filepath.Clean(stateDir) == "/" {
		return nil, fmt.Errorf("%q cannot be the cluster's folder: give an absolute path that is not /", stateDir)
	}
	return &Cluster{paths: plan.Paths{State: filepath.Clean(stateDir)}, pools: plan.PoolsDir, printer: printer}, nil
}

// Paths returns where the cluster keeps what.
func (c *Cluster) Paths() plan.Paths { return c.paths }

// RequireRoot returns an error if this process may not do what a cluster needs.
func RequireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root, for namespaces, mounts and loop devices: run this with sudo")
	}
	return nil
}

// lockPoll is how often Lock tries again.
const lockPoll = 200 * time.Millisecond

// Lock keeps other processes from changing the cluster; it waits for the one
// that does. The kernel releases it when its holder ends.
func (c *Cluster) Lock(ctx context.Context) (unlock func(), err error) {
	// An abstract socket leaves nothing behind, unlike a file.
	address := &net.UnixAddr{Net: "unix", Name: "@csi-operator-cluster"}
	for told := false; ; told = true {
		listener, err := net.ListenUnix("unix", address)
		if err == nil {
			return func() { _ = listener.Close() }, nil
		}
		if !told {
			c.printer.Say("another localcluster is at work: waiting for its end …")
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another localcluster: %w", ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// Node returns the node called name. It is an error if the cluster has none.
func (c *Cluster) Node(name string) (*node.Node, error) {
	nodes, err := c.Nodes()
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.Name() == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("%q is no node of the cluster: its nodes are %s to %s",
		name, nodes[0].Name(), nodes[len(nodes)-1].Name())
}

// Nodes returns the nodes of the cluster. It is an error if there is no cluster.
func (c *Cluster) Nodes() ([]*node.Node, error) {
	s, err := load(c.paths)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no cluster: run \"localcluster up\"")
	}
	if err != nil {
		return nil, err
	}
	return c.nodes(s), nil
}

func (c *Cluster) nodes(s state) []*node.Node {
	plans := plan.Nodes(s.Nodes)
	nodes := make([]*node.Node, len(plans))
	for i, p := range plans {
		file := func(name string) string { return filepath.Join(c.paths.PKI(), name) }
		nodes[i] = node.New(node.Config{
			Plan: p, All: plans, Paths: c.paths, Binaries: s.Binaries,
			Files: node.Files{
				CA: file(pki.CA), Certificate: file(p.Name + ".crt"), Key: file(p.Name + ".key"),
				Kubeconfig: file(p.Name + ".kubeconfig"),
			},
		})
	}
	return nodes
}

// readyPoll is how often AwaitReady asks the API server.
const readyPoll = 300 * time.Millisecond

// AwaitReady returns when each of the named nodes is Ready, or NotReady if that
// is wanted.
func (c *Cluster) AwaitReady(ctx context.Context, ready bool, names ...string) error {
	api, err := controlplane.NewAPI(c.paths)
	if err != nil {
		return err
	}
	for {
		now, err := api.ReadyNodes(ctx)
		if err == nil {
			err = differs(now, ready, names)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(readyPoll):
		}
	}
}

func differs(now map[string]bool, want bool, names []string) error {
	for _, name := range names {
		if ready, known := now[name]; !known || ready != want {
			return fmt.Errorf("%s is registered: %t, Ready: %t", name, known, ready)
		}
	}
	return nil
}
