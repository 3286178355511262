// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package network plans and makes the cluster's network: a bridge on the
// machine, one cable from it to each node, routes to the nodes' pods, and in
// each node a rule that leads the ClusterIP of the API to the API server.
package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

// Command is a program and its arguments.
type Command []string

func (c Command) String() string { return strings.Join(c, " ") }

func ip(arguments string) Command { return append(Command{"ip"}, strings.Fields(arguments)...) }

// Host returns the commands that make the machine's part.
func Host(nodes []plan.Node) []Command {
	commands := []Command{
		ip("link add name " + plan.Bridge + " type bridge"),
		ip("address add " + plan.HostAddress + "/24 dev " + plan.Bridge),
		ip("link set dev " + plan.Bridge + " up"),
	}
	for _, n := range nodes {
		commands = append(commands, ip(fmt.Sprintf("route add %s via %s", n.PodPrefix, n.Address)))
	}
	return append(commands, forward("-I"))
}

// forward is the rule that lets the nodes' packets pass a machine whose
// firewall also judges bridged packets and drops what it does not know.
func forward(action string) Command {
	rule := action + " FORWARD -i " + plan.Bridge + " -o " + plan.Bridge + " -j ACCEPT"
	return append(Command{"iptables", "-w", "10"}, strings.Fields(rule)...)
}

// Plug returns the commands, run on the machine, that lay a cable from the
// bridge to eth0 in the network namespace of process pid.
func Plug(n plan.Node, pid int) []Command {
	return []Command{
		ip("link add name " + n.HostLink + " type veth peer name eth0 netns " + strconv.Itoa(pid)),
		ip("link set dev " + n.HostLink + " master " + plan.Bridge),
		ip("link set dev " + n.HostLink + " up"),
	}
}

// Unplug removes the node's cable, if there is one.
func Unplug(ctx context.Context, n plan.Node) error {
	return removeLink(ctx, n.HostLink)
}

// Inside returns the commands, run in the node's network namespace, that give
// node n its addresses and its ways to the pods of the other nodes.
func Inside(n plan.Node, all []plan.Node) []Command {
	commands := []Command{
		ip("link set dev lo up"),
		ip("address add " + n.Address.String() + "/24 dev eth0"),
		ip("link set dev eth0 up"),
		ip("route add default via " + plan.HostAddress),
		// There are no services but the API: others, and the cluster's DNS, are
		// refused at once instead of after a time-out.
		ip("route add unreachable " + plan.ServicePrefix),
		ip("route add " + plan.KubernetesAddress + " via " + plan.HostAddress),
	}
	for _, other := range all {
		if other.Name != n.Name {
			commands = append(commands, ip(fmt.Sprintf("route add %s via %s", other.PodPrefix, other.Address)))
		}
	}
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		rule := fmt.Sprintf("-t nat -A %s -d %s/32 -p tcp --dport 443 -j DNAT --to-destination %s:%d",
			chain, plan.KubernetesAddress, plan.HostAddress, plan.APIServerPort)
		commands = append(commands, append(Command{"iptables", "-w", "10"}, strings.Fields(rule)...))
	}
	return append(commands, Command{"sysctl", "-q", "-w", "net.ipv4.ip_forward=1"})
}

// Link returns the command that takes the node's cable down or up.
func Link(n plan.Node, up bool) Command {
	if up {
		return ip("link set dev " + n.HostLink + " up")
	}
	return ip("link set dev " + n.HostLink + " down")
}

// Runner runs a command to its end.
type Runner func(ctx context.Context, c Command) error

// Run runs the commands one after the other until one fails.
func Run(ctx context.Context, run Runner, commands ...Command) error {
	for _, c := range commands {
		if err := run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// OnHost is the Runner for the machine itself.
func OnHost(ctx context.Context, c Command) error {
	output, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %q: %w: %s", c, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Leftovers returns the names of the links and rules of the cluster that exist.
func Leftovers(ctx context.Context) ([]string, error) {
	links, err := links()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, link := range links {
		found = append(found, "network link "+link)
	}
	if forwards(ctx) {
		found = append(found, "firewall rule "+forward("-A").String())
	}
	return found, nil
}

// links returns the machine's network links that are the cluster's.
func links() ([]string, error) {
	var names []string
	for _, pattern := range []string{plan.Bridge, "csiop-node-?"} {
		paths, err := filepath.Glob(filepath.Join("/sys/class/net", pattern))
		if err != nil {
			return nil, fmt.Errorf("listing network links: %w", err)
		}
		for _, path := range paths {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func forwards(ctx context.Context) bool {
	return OnHost(ctx, forward("-C")) == nil
}

// Remove removes everything of the cluster from the machine's network that it
// can. Routes go with the bridge.
func Remove(ctx context.Context) error {
	links, err := links()
	if err != nil {
		return err
	}
	var problems []error
	for _, link := range links {
		problems = append(problems, removeLink(ctx, link))
	}
	for forwards(ctx) {
		if err := OnHost(ctx, forward("-D")); err != nil {
			problems = append(problems, err)
			break
		}
	}
	return errors.Join(problems...)
}

func removeLink(ctx context.Context, name string) error {
	err := OnHost(ctx, ip("link delete dev "+name))
	if err != nil && linkExists(name) { // a cable goes by itself with its node
		return err
	}
	return nil
}

func linkExists(name string) bool {
	_, err := os.Lstat(filepath.Join("/sys/class/net", name))
	return err == nil
}

// LinkUp reports whether the node's cable is there and up.
func LinkUp(n plan.Node) bool {
	content, err := os.ReadFile(filepath.Join("/sys/class/net", n.HostLink, "flags"))
	if err != nil {
		return false
	}
	flags, err := strconv.ParseUint(strings.TrimSpace(string(content)), 0, 32)
	const interfaceUp = 1
	return err == nil && flags&interfaceUp != 0
}
