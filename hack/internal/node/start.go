// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/cgroup"
	"github.com/csi-operator/csi-operator/hack/internal/network"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// InitCommand is the subcommand of this program that calls Init.
const InitCommand = "node-init"

// containerdSocket is where containerd listens, as the node sees it.
const containerdSocket = "/run/containerd/containerd.sock"

const (
	// setUpTimeout is how long the namespaces of a node may take.
	setUpTimeout = 30 * time.Second
	// containerdTimeout is how long containerd may take to listen.
	containerdTimeout = 60 * time.Second
	// startPoll is how often is looked whether it does.
	startPoll = 50 * time.Millisecond
)

// Start starts what does not run of the node: its namespaces and its network
// cable, containerd, the kubelet. It does not wait for the node to be Ready.
func (n *Node) Start(ctx context.Context) error {
	state, err := n.State()
	if err != nil {
		return err
	}
	if state.Running {
		return nil
	}
	if !state.Up {
		if err := n.setUp(ctx); err != nil {
			return fmt.Errorf("setting %s up: %w", n.Name(), err)
		}
	}
	if err := n.startServices(ctx); err != nil {
		return fmt.Errorf("starting %s: %w", n.Name(), err)
	}
	return nil
}

func (n *Node) setUp(ctx context.Context) error {
	// What is left of an earlier life of the node would be in the way.
	if err := n.PowerOff(ctx); err != nil {
		return err
	}
	if err := makeFolders(Mounts(n.paths, n.Name())); err != nil {
		return err
	}
	if err := n.writeConfig(); err != nil {
		return err
	}
	first, err := n.startFirst(ctx)
	if err != nil {
		return err
	}
	if err := network.Run(ctx, network.OnHost, network.Plug(n.plan, first.PID)...); err != nil {
		return err
	}
	return network.Run(ctx, n.inNode, network.Inside(n.plan, n.all)...)
}

// startFirst starts the first process of the node and returns when it has set
// the namespaces up.
func (n *Node) startFirst(ctx context.Context) (process.Identity, error) {
	task, err := n.writeTask()
	if err != nil {
		return process.Identity{}, err
	}
	answer, write, err := os.Pipe()
	if err != nil {
		return process.Identity{}, fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = answer.Close() }()
	first, err := process.Start(n.firstCommand(ctx, task, write), n.paths.Log(n.firstName()))
	if err := errors.Join(err, write.Close()); err != nil {
		return process.Identity{}, err
	}
	if err := n.records.Write(n.firstName(), first); err != nil {
		return process.Identity{}, err
	}
	return first, awaitReady(answer, n.paths.Log(n.firstName()))
}

// writeTask makes the node's control groups and writes the task of its first
// process into a file, whose path it returns.
func (n *Node) writeTask() (string, error) {
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return "", err
	}
	groups, err := cgroup.Make(ControlGroup(n.Name()), initGroup, runtimeGroup)
	if err != nil {
		return "", err
	}
	spec, err := json.Marshal(initSpec{
		Hostname: n.Name(), Mounts: Mounts(n.paths, n.Name()), Hierarchies: hierarchies, Groups: groups,
	})
	if err != nil {
		return "", fmt.Errorf("describing the node: %w", err)
	}
	path := filepath.Join(n.dir(), "init.json")
	if err := os.WriteFile(path, spec, 0o644); err != nil {
		return "", fmt.Errorf("describing the node: %w", err)
	}
	return path, nil
}

// firstCommand returns the command of the first process, which outlives this one.
func (n *Node) firstCommand(ctx context.Context, task string, out *os.File) *exec.Cmd {
	command := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", InitCommand, task, stageGroups)
	command.Stdout = out
	command.Env = process.Environment(n.paths.State)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	return command
}

func awaitReady(answer *os.File, log string) error {
	if err := answer.SetReadDeadline(time.Now().Add(setUpTimeout)); err != nil {
		return fmt.Errorf("waiting for the node's first process: %w", err)
	}
	line, err := bufio.NewReader(answer).ReadString('\n')
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the node's first process has ended: see %q", log)
	}
	if err != nil || line != ready {
		return fmt.Errorf("waiting for the node's first process: %w (it said %q)", err, line)
	}
	return nil
}

func (n *Node) startServices(ctx context.Context) error {
	first, err := n.first()
	if err != nil {
		return err
	}
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return err
	}
	groups := inNode(hierarchies, runtimeGroup)
	containerd := []string{
		filepath.Join(n.binaries.Containerd, "containerd"), "--config", filepath.Join(n.dir(), "containerd.toml"),
	}
	if err := n.startService(ctx, first, n.containerdName(), groups, containerd); err != nil {
		return err
	}
	if err := n.awaitContainerd(ctx, first); err != nil {
		return err
	}
	kubelet := append([]string{filepath.Join(n.binaries.Kubernetes, "kubelet")}, n.kubeletArguments()...)
	return n.startService(ctx, first, n.kubeletName(), groups, kubelet)
}

func (n *Node) startService(
	ctx context.Context, first process.Identity, name string, groups, command []string,
) error {
	if _, alive, err := n.records.Read(name); err != nil || alive {
		return err
	}
	environment := process.Environment(n.paths.State)
	environment[0] += ":" + n.binaries.Containerd // containerd looks for its shim in PATH
	started, err := inBackground(ctx, first, service{
		command: command, environment: environment, log: n.paths.Log(name), groups: groups,
	})
	if err != nil {
		return err
	}
	return n.records.Write(name, started)
}

// awaitContainerd returns when containerd accepts connections. Its socket is
// reached from outside by way of the first process.
func (n *Node) awaitContainerd(ctx context.Context, first process.Identity) error {
	ctx, cancel := context.WithTimeout(ctx, containerdTimeout)
	defer cancel()
	socket := filepath.Join("/proc", strconv.Itoa(first.PID), "root", containerdSocket)
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			return connection.Close()
		}
		if _, alive, readErr := n.records.Read(n.containerdName()); readErr != nil || !alive {
			return errors.Join(readErr, fmt.Errorf("containerd has ended: see %q", n.paths.Log(n.containerdName())))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd: %w: see %q", err, n.paths.Log(n.containerdName()))
		case <-time.After(startPoll):
		}
	}
}
