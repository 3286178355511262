// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/csi-operator/csi-operator/hack/internal/cluster"
	"github.com/csi-operator/csi-operator/hack/internal/node"
)

func nodeCommands() []command {
	return []command{
		{
			name: "node", arguments: "ACTION NODE [-- COMMAND]", run: runNode,
			summary: "stop, start, partition, heal, reboot a node, or exec a command in it",
			detail: `
  stop       kill the kubelet, containerd and all containers of the node. Its mounts and
             loop devices stay, and its network.
  start      run a stopped node again. Returns when the kubelet runs, before it is Ready.
  partition  take the node's network cable down. Its containers run on.
  heal       bring the cable up again.
  reboot     kill all processes of the node; its mounts (also those below its
             /var/lib/kubelet) and the loop devices that it had mounted are gone; what it
             has on disk, its kubelet folder and images included, stays; a cut cable is
             whole again. Then start it. Returns when the kubelet runs, before it is Ready.
  exec       run a command in the node's namespaces and exit with its exit code;
             a shell if there is none.`,
		},
		{
			name: node.InitCommand, hidden: true, run: runNodeInit,
			summary: "be the first process of a node (for localcluster itself)",
		},
	}
}

// nodeActions are what can be done to a node, but "exec".
func nodeActions() map[string]func(context.Context, *node.Node) error {
	return map[string]func(context.Context, *node.Node) error{
		"stop":      func(ctx context.Context, n *node.Node) error { return n.Stop(ctx) },
		"start":     func(ctx context.Context, n *node.Node) error { return n.Start(ctx) },
		"partition": func(ctx context.Context, n *node.Node) error { return n.SetLink(ctx, false) },
		"heal":      func(ctx context.Context, n *node.Node) error { return n.SetLink(ctx, true) },
		"reboot": func(ctx context.Context, n *node.Node) error {
			if err := n.PowerOff(ctx); err != nil {
				return err
			}
			return n.Start(ctx)
		},
	}
}

func runNode(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("node")
	state := stateFlag(flags)
	if err := parse(flags, arguments, -1); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		return usageError{"an action and a node are needed"}
	}
	action, name, rest := flags.Arg(0), flags.Arg(1), flags.Args()[2:]
	act, known := nodeActions()[action]
	if !known && action != "exec" {
		return usageError{fmt.Sprintf("%q is no action", action)}
	}
	if known && len(rest) > 0 {
		return usageError{fmt.Sprintf("unexpected argument %q", rest[0])}
	}
	c, err := openCluster(s, *state)
	if err != nil {
		return err
	}
	n, err := c.Node(name)
	if err != nil {
		return err
	}
	if err := cluster.RequireRoot(); err != nil {
		return err
	}
	if action == "exec" {
		return execInNode(ctx, s, n, rest)
	}
	return changing(ctx, c, func() error { return act(ctx, n) })
}

func execInNode(ctx context.Context, s Streams, n *node.Node, arguments []string) error {
	if len(arguments) > 0 && arguments[0] == "--" {
		arguments = arguments[1:]
	}
	if len(arguments) == 0 {
		arguments = []string{"/bin/sh"}
	}
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Stdin, command.Stdout, command.Stderr = s.In, s.Out, s.Err
	return passOn(n.Run(command))
}

func runNodeInit(_ context.Context, s Streams, arguments []string) error {
	return node.Init(arguments, s.Out)
}
