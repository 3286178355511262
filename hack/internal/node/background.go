// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// detach starts a command in the background and prints its id. The shell ends
// at once, so that the command becomes a child of the node's first process and
// not of a process outside, which would have to collect it. $1 is the log, $2
// the folders of the control groups, and the rest is the command.
const detach = `log=$1 groups=$2; shift 2
for group in $groups; do echo 0 >"$group/cgroup.procs" || exit 1; done
"$@" </dev/null >>"$log" 2>&1 &
echo $!`

// inBackground starts a long-running command in the node.
func inBackground(ctx context.Context, first process.Identity, s service) (process.Identity, error) {
	arguments := []string{"-c", detach, "sh", s.log, strings.Join(s.groups, " ")}
	shell := exec.CommandContext(ctx, "/bin/sh", append(arguments, s.command...)...)
	shell.Env = s.environment
	var output, problems strings.Builder
	shell.Stdout, shell.Stderr = &output, &problems
	if err := runInside(first, shell); err != nil {
		return process.Identity{}, fmt.Errorf("starting %q: %w: %s", s.command[0], err, problems.String())
	}
	inner, err := strconv.Atoi(strings.TrimSpace(output.String()))
	if err != nil {
		return process.Identity{}, fmt.Errorf("starting %q: reading its id: %w", s.command[0], err)
	}
	return identify(first, inner, s)
}

// service is a command that runs as long as the node does.
type service struct {
	command     []string
	environment []string
	log         string
	groups      []string
}

// identify finds the process that has the id inner within the node.
func identify(first process.Identity, inner int, s service) (process.Identity, error) {
	all, err := process.SameNamespace(first)
	if err != nil {
		return process.Identity{}, err
	}
	for _, p := range all {
		if id, err := p.Innermost(); err == nil && id == inner {
			return p, nil
		}
	}
	return process.Identity{}, fmt.Errorf("%q has ended at once: see %q", s.command[0], s.log)
}

// killPoll is how often killAll looks whether everything has ended.
const killPoll = 50 * time.Millisecond

// killAll kills every process of the node, also those in containers, but its
// first one, and returns when none is left.
func killAll(ctx context.Context, first process.Identity) error {
	for {
		// The built-in of the shell signals all that it can see but itself and
		// the first process, and fails when there is none.
		kill := exec.CommandContext(ctx, "/bin/sh", "-c", "kill -KILL -1")
		err := runInside(first, kill)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Exited() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("killing the node's processes: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("killing the node's processes: some do not end: %w", ctx.Err())
		case <-time.After(killPoll):
		}
	}
}
