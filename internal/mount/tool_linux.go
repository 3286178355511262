// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// maxOutput is how much of a tool's output, in bytes, goes into an error: its end.
const maxOutput = 1024

// tool is what came out of a program that ran to its end.
type tool struct {
	exit   int
	stdout string
	output string // both streams, shortened
}

// run returns an error only if the program could not run to its end; the exit
// code is the caller's business.
func run(ctx context.Context, name string, args ...string) (tool, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	result := tool{exit: cmd.ProcessState.ExitCode(), stdout: stdout.String(), output: tail(stdout.String() + stderr.String())}
	if ctx.Err() != nil {
		return result, fmt.Errorf("running %s: %w", name, ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || result.exit < 0) {
		return result, fmt.Errorf("running %s: %w: %s", name, err, result.output)
	}
	return result, nil
}

// must is run for programs that mean success by exit code 0 alone.
func must(ctx context.Context, name string, args ...string) error {
	result, err := run(ctx, name, args...)
	if err != nil {
		return err
	}
	if result.exit != 0 {
		return fmt.Errorf("%s %s: exit code %d: %s", name, strings.Join(args, " "), result.exit, result.output)
	}
	return nil
}

func tail(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxOutput {
		s = "…" + s[len(s)-maxOutput:]
	}
	return s
}
