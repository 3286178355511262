// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/controlplane"
	"github.com/csi-operator/csi-operator/hack/internal/network"
	"github.com/csi-operator/csi-operator/hack/internal/node"
	"github.com/csi-operator/csi-operator/hack/internal/pki"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// nodesTimeout is how long the nodes may take to become Ready.
const nodesTimeout = 3 * time.Minute

// Running reports whether the cluster is up as a whole; nodes that were stopped
// count as up (Resume starts them), and one whose processes have all ended, as after a
// restart of the machine, does not. It is an error if its control plane alone has ended.
func (c *Cluster) Running() (bool, error) {
	s, err := load(c.paths)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !s.Complete {
		return false, err
	}
	ended := controlplane.Ended(c.paths)
	if ended == nil {
		return true, nil
	}
	alive, err := process.Marked(c.paths.State)
	if err != nil || len(alive) == 0 {
		return false, err
	}
	return false, fmt.Errorf("%w\nrun \"localcluster down\" and begin again", ended)
}

// CheckSame returns an error if the cluster that is up differs from the one that
// Up would make.
func (c *Cluster) CheckSame(count int, binaries node.Binaries) error {
	recorded, err := load(c.paths)
	if err != nil {
		return err
	}
	wanted, err := c.wanted(count, binaries)
	if err != nil {
		return err
	}
	if found := recorded.differences(wanted); len(found) > 0 {
		return fmt.Errorf("the cluster that is up is not the one that this command makes: %s: "+
			"run \"localcluster down\" before", strings.Join(found, ", and "))
	}
	return nil
}

// wanted returns the state of a cluster that is to be made, but the folders.
func (c *Cluster) wanted(count int, binaries node.Binaries) (state, error) {
	s := state{Nodes: count, Binaries: binaries}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q", controlplane.Components(c.paths), controlplane.AuditPolicy())
	for _, n := range c.nodes(s) {
		settings, err := n.Settings()
		if err != nil {
			return state{}, err
		}
		fmt.Fprintf(hash, "%q", settings)
	}
	s.Settings = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

// Up makes a cluster of count nodes and returns when all are Ready. What a
// half-made or a dead cluster has left is removed first.
func (c *Cluster) Up(ctx context.Context, count int, binaries node.Binaries) error {
	for _, path := range []string{c.paths.State, binaries.Kubernetes, binaries.Containerd} {
		if err := node.Hides(path); err != nil {
			return err
		}
	}
	if err := c.clearWay(ctx); err != nil {
		return err
	}
	s, err := c.prepare(count, binaries)
	if err != nil {
		return err
	}
	plans := plan.Nodes(count)
	if err := pki.Write(c.paths, plans); err != nil {
		return err
	}
	if err := network.Run(ctx, network.OnHost, network.Host(plans)...); err != nil {
		return err
	}
	err = c.printer.Step("starting the control plane", func() error {
		return controlplane.Start(ctx, c.paths, binaries.Kubernetes)
	})
	if err != nil {
		return err
	}
	nodes := c.nodes(s)
	err = c.printer.Step(fmt.Sprintf("starting %d nodes", count), func() error {
		return c.startAll(ctx, nodes)
	})
	if err != nil {
		return err
	}
	s.Complete = true
	return s.save(c.paths)
}

// clearWay removes what is left of a half-made or a dead cluster and refuses to go on if
// the machine already uses the cluster's addresses.
func (c *Cluster) clearWay(ctx context.Context) error {
	left, err := c.remains(ctx)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		c.printer.Say("removing what a cluster that does not run has left")
		if err := c.Down(ctx, true); err != nil {
			return err
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("listing the machine's addresses: %w", err)
	}
	return addressConflict(addresses)
}

// addressConflict returns an error if one of the addresses is in a network that
// the cluster uses.
func addressConflict(addresses []net.Addr) error {
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil {
			continue // not an address of the Internet protocol
		}
		for _, ours := range []string{plan.HostPrefix, plan.PodPrefix, plan.ServicePrefix} {
			if netip.MustParsePrefix(ours).Overlaps(prefix.Masked()) {
				return fmt.Errorf("the machine uses %s, the cluster needs %s: free the address", prefix, ours)
			}
		}
	}
	return nil
}

// prepare makes the folders of the cluster and its state. Each is recorded
// before it is made, so that a crash does not hide it from Down.
func (c *Cluster) prepare(count int, binaries node.Binaries) (state, error) {
	if err := c.takeState(); err != nil {
		return state{}, err
	}
	s, err := c.wanted(count, binaries)
	if err != nil {
		return state{}, err
	}
	points := node.MountPoints()
	if s.CreatedFolders, err = absent(points); err != nil {
		return state{}, err
	}
	if err := s.save(c.paths); err != nil {
		return state{}, err
	}
	if err := makeAll(append(points, c.paths.Logs(), c.paths.Etcd())); err != nil {
		return state{}, err
	}
	return s, c.takePools(slices.Contains(s.CreatedFolders, c.pools))
}

// takePools marks the folder of the pools if the cluster has created it just now.
func (c *Cluster) takePools(created bool) error {
	if created {
		return c.mark(c.pools)
	}
	foreign, err := c.foreign(c.pools)
	if err == nil && foreign {
		c.printer.Say("%s was there before: it will stay when the cluster goes, with all that is in it", c.pools)
	}
	return err
}

// startAll starts the nodes at the same time and returns when they are Ready.
func (c *Cluster) startAll(ctx context.Context, nodes []*node.Node) error {
	names := make([]string, len(nodes))
	problems := make([]error, len(nodes))
	var running sync.WaitGroup
	for i, n := range nodes {
		names[i] = n.Name()
		running.Go(func() { problems[i] = n.Start(ctx) })
	}
	running.Wait()
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return c.awaitAll(ctx, names)
}

// Resume makes the cluster that is up whole: it starts stopped nodes, brings all cables up,
// and returns when all are Ready.
func (c *Cluster) Resume(ctx context.Context) error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name()
		if err := n.Start(ctx); err != nil {
			return err
		}
		if err := n.SetLink(ctx, true); err != nil {
			return err
		}
	}
	return c.awaitAll(ctx, names)
}

func (c *Cluster) awaitAll(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	if err := c.AwaitReady(ctx, true, names...); err != nil {
		return fmt.Errorf("waiting for the nodes to be Ready: %w: see the logs in %q", err, c.paths.Logs())
	}
	return nil
}
