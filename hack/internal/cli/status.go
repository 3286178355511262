// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/csi-operator/csi-operator/hack/internal/cluster"
)

func runStatus(ctx context.Context, s Streams, arguments []string) error {
	c, err := clusterOf(s, "status", arguments)
	if err != nil {
		return err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if err := printStatus(s.Out, status); err != nil {
		return err
	}
	if !status.Healthy() {
		return errors.New("not everything runs")
	}
	return nil
}

func printStatus(out io.Writer, status cluster.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROCESS\tID\tSTATE")
	for _, p := range status.Processes {
		if p.Alive {
			fmt.Fprintf(table, "%s\t%d\trunning\n", p.Name, p.PID)
		} else {
			fmt.Fprintf(table, "%s\t-\tended\n", p.Name)
		}
	}
	fmt.Fprintln(table, "\nNODE\tSTATE\tREADY")
	for _, n := range status.Nodes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", n.Name, n.State, n.Ready)
	}
	return table.Flush()
}

func runLogs(_ context.Context, s Streams, arguments []string) error {
	flags := newFlags("logs")
	state := stateFlag(flags)
	if err := parse(flags, arguments, 1); err != nil {
		return err
	}
	c, err := openCluster(s, *state)
	if err != nil {
		return err
	}
	logs, err := filepath.Glob(filepath.Join(c.Paths().Logs(), "*.log"))
	if err != nil {
		return fmt.Errorf("listing logs: %w", err)
	}
	if len(logs) == 0 {
		return fmt.Errorf("there are no logs in %q", c.Paths().Logs())
	}
	if flags.NArg() == 0 {
		for _, log := range logs {
			fmt.Fprintf(s.Out, "%s\t%s\n", logName(log), log)
		}
		return nil
	}
	return printLogs(s.Out, logs, flags.Arg(0))
}

func logName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".log") }

// printLogs prints the log called name, or those of the node called name.
func printLogs(out io.Writer, logs []string, name string) error {
	found := false
	for _, path := range logs {
		if logName(path) != name && !strings.HasPrefix(logName(path), name+"-") {
			continue
		}
		found = true
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("reading a log: %w", err)
		}
		fmt.Fprintf(out, "==> %s <==\n", path)
		_, err = io.Copy(out, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("reading a log: %w", err)
		}
	}
	if !found {
		return usageError{fmt.Sprintf("there is no log of %q", name)}
	}
	return nil
}
