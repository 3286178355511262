// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/cgroup"
	"github.com/csi-operator/csi-operator/hack/internal/loopdev"
	"github.com/csi-operator/csi-operator/hack/internal/mounts"
	"github.com/csi-operator/csi-operator/hack/internal/network"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// Files are the node's credentials, as paths.
type Files struct{ CA, Certificate, Key, Kubeconfig string }

// Binaries are the folders of the node's programs.
type Binaries struct{ Kubernetes, Containerd string }

// Node is one node of the cluster.
type Node struct {
	plan     plan.Node
	all      []plan.Node
	paths    plan.Paths
	files    Files
	binaries Binaries
	records  process.Records
}

// Config is what New needs.
type Config struct {
	Plan plan.Node
	// All are all nodes of the cluster, this one included.
	All      []plan.Node
	Paths    plan.Paths
	Files    Files
	Binaries Binaries
}

// New returns a node that may be running already.
func New(c Config) *Node {
	return &Node{
		plan: c.Plan, all: c.All, paths: c.Paths, files: c.Files, binaries: c.Binaries,
		records: process.NewRecords(c.Paths.Processes()),
	}
}

// Name is the node's name, also in the cluster.
func (n *Node) Name() string { return n.plan.Name }

func (n *Node) dir() string { return n.paths.Node(n.Name()) }

// The processes of a node, by the names of their records and logs.
func (n *Node) firstName() string      { return n.Name() + "-init" }
func (n *Node) containerdName() string { return n.Name() + "-containerd" }
func (n *Node) kubeletName() string    { return n.Name() + "-kubelet" }

// State is what can be seen of a node from outside of the cluster.
type State struct {
	// Up tells that the node's namespaces exist, Running that its containerd
	// and its kubelet live as well, Linked that its network cable is up.
	Up, Running, Linked bool
}

// String returns the state in one word.
func (s State) String() string {
	switch {
	case !s.Up:
		return "down"
	case !s.Running:
		return "stopped"
	case !s.Linked:
		return "partitioned"
	}
	return "running"
}

// State returns the node's state.
func (n *Node) State() (State, error) {
	s := State{Linked: network.LinkUp(n.plan)}
	var containerd, kubelet bool
	for name, alive := range map[string]*bool{
		n.firstName(): &s.Up, n.containerdName(): &containerd, n.kubeletName(): &kubelet,
	} {
		var err error
		if _, *alive, err = n.records.Read(name); err != nil {
			return State{}, err
		}
	}
	s.Running = s.Up && containerd && kubelet
	return s, nil
}

// endTimeout is how long the kernel may take to end the processes of a node and
// to let go of its devices.
const endTimeout = 60 * time.Second

// Stop kills the kubelet, containerd and all containers of the node. What is
// mounted in the node stays mounted, and the network stays up.
func (n *Node) Stop(ctx context.Context) error {
	first, err := n.first()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if err := killAll(ctx, first); err != nil {
		return fmt.Errorf("stopping %s: %w", n.Name(), err)
	}
	return errors.Join(n.records.Forget(n.containerdName()), n.records.Forget(n.kubeletName()))
}

// PowerOff ends everything in the node at once, as a loss of power does: its
// processes, its mounts, its network and the loop devices that it had mounted.
// What it has on disk stays. A node that is down already is no error.
func (n *Node) PowerOff(ctx context.Context) error {
	first, alive, err := n.records.Read(n.firstName())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if alive {
		if err := endWithDevices(ctx, first); err != nil {
			return fmt.Errorf("powering %s off: %w", n.Name(), err)
		}
	}
	if err := network.Unplug(ctx, n.plan); err != nil {
		return err
	}
	if err := cgroup.Remove(ctx, ControlGroup(n.Name())); err != nil {
		return err
	}
	return errors.Join(
		n.records.Forget(n.containerdName()), n.records.Forget(n.kubeletName()), n.records.Forget(n.firstName()),
	)
}

// endWithDevices ends a node's first process, and so all others and its mounts,
// and detaches the loop devices that were mounted in it, with those that lie on them.
func endWithDevices(ctx context.Context, first process.Identity) error {
	table, err := mounts.Of(first.PID)
	if err != nil {
		return err
	}
	attached, err := loopdev.Attached()
	if err != nil {
		return err
	}
	used, err := loopdev.UsedOnlyBy(attached, table)
	if err != nil {
		return err
	}
	if err := process.End(ctx, 0, first); err != nil {
		return err
	}
	if attached, err = loopdev.Attached(); err != nil { // with those that came meanwhile
		return err
	}
	return loopdev.Detach(ctx, loopdev.WithStacked(attached, used)...)
}

// SetLink takes the node's network cable down or up.
func (n *Node) SetLink(ctx context.Context, up bool) error {
	if _, err := n.first(); err != nil {
		return err
	}
	return network.OnHost(ctx, network.Link(n.plan, up))
}

// Run runs a command in the node and waits for it. The error is an
// *exec.ExitError if the command ran and failed.
func (n *Node) Run(command *exec.Cmd) error {
	first, err := n.first()
	if err != nil {
		return err
	}
	return runInside(first, command)
}

// Ctr runs containerd's client in the node and returns what it writes.
func (n *Node) Ctr(ctx context.Context, arguments ...string) (string, error) {
	fixed := []string{"--address", containerdSocket, "--namespace", "k8s.io"}
	command := exec.CommandContext(ctx, filepath.Join(n.binaries.Containerd, "ctr"), append(fixed, arguments...)...)
	var output, problems strings.Builder
	command.Stdout, command.Stderr = &output, &problems
	if err := n.Run(command); err != nil {
		return "", fmt.Errorf("running ctr: %w: %s", err, strings.TrimSpace(problems.String()))
	}
	return output.String(), nil
}

// first returns the node's first process. It is an error if the node is down.
func (n *Node) first() (process.Identity, error) {
	first, alive, err := n.records.Read(n.firstName())
	if err != nil {
		return process.Identity{}, err
	}
	if !alive {
		return process.Identity{}, fmt.Errorf("%s is down: run \"localcluster node start %s\"", n.Name(), n.Name())
	}
	return first, nil
}

// inNode is the network.Runner for the node.
func (n *Node) inNode(ctx context.Context, c network.Command) error {
	var output strings.Builder
	command := exec.CommandContext(ctx, c[0], c[1:]...)
	command.Stdout, command.Stderr = &output, &output
	if err := n.Run(command); err != nil {
		return fmt.Errorf("running %q in %s: %w: %s", c, n.Name(), err, strings.TrimSpace(output.String()))
	}
	return nil
}
