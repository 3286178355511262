// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/cluster"
	"github.com/csi-operator/csi-operator/hack/internal/debian"
	"github.com/csi-operator/csi-operator/hack/internal/image"
	"github.com/csi-operator/csi-operator/hack/internal/node"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
	"github.com/csi-operator/csi-operator/hack/internal/repo"
)

func clusterCommands() []command {
	return []command{
		{
			name: "up", arguments: "[--nodes N]", run: runUp,
			summary: "build what is missing and start the cluster; returns when all nodes are Ready",
			detail: `
A cluster that is up stays as it is; it is an error if it has another number of nodes,
or was made of other binaries or settings. What an unfinished one has left, or one whose
processes have all ended (the machine was restarted), is removed first, but for the
pools. Needs root. The folder that all nodes share is ` + plan.PoolsDir + `.`,
		},
		{
			name: "down", arguments: "[--keep-pools]", run: runDown,
			summary: "remove the cluster with all its processes, mounts, devices, network and files",
			detail: `
Also works for a half-made or a crashed cluster, and when there is none. The pools in
` + plan.PoolsDir + ` are deleted unless --keep-pools is given,
or the folder was not made by the cluster.`,
		},
		{
			name: "verify-clean", run: runVerifyClean,
			summary: "list what is left of the cluster on this machine; exit code 1 if anything is",
		},
		{
			name: "status", run: runStatus,
			summary: "show processes and nodes; exit code 1 unless everything runs",
		},
		{
			name: "logs", arguments: "[NAME]", run: runLogs,
			summary: "print the log of a process, or of all of a node; without NAME list them",
		},
		{
			name: "kubeconfig", run: runKubeconfig,
			summary: "print the path of the administrator's kubeconfig",
		},
		{
			name: "audit-log", run: runAuditLog,
			summary: "print the path of the log of the requests that pods make to the API server",
		},
		{
			name: "env", run: runEnv,
			summary: "print shell commands that set KUBECONFIG and PATH",
		},
	}
}

// stateFlag adds the flag that all commands of a cluster have.
func stateFlag(flags *flag.FlagSet) *string {
	return flags.String("state", plan.DefaultStateDir, "")
}

func openCluster(s Streams, stateDir string) (*cluster.Cluster, error) {
	c, err := cluster.New(stateDir, progress.New(s.Err, progressInterval))
	if err != nil {
		return nil, usageError{err.Error()}
	}
	return c, nil
}

// clusterOf returns the cluster that the command called name is for, which takes
// no arguments but the flag of the state.
func clusterOf(s Streams, name string, arguments []string) (*cluster.Cluster, error) {
	flags := newFlags(name)
	state := stateFlag(flags)
	if err := parse(flags, arguments, 0); err != nil {
		return nil, err
	}
	return openCluster(s, *state)
}

// changing runs f while no other process can change the cluster.
func changing(ctx context.Context, c *cluster.Cluster, f func() error) error {
	if err := cluster.RequireRoot(); err != nil {
		return err
	}
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f()
}

func runUp(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("up")
	state := stateFlag(flags)
	root := flags.String("root", ".", "")
	count := flags.Int("nodes", 2, "")
	if err := parse(flags, arguments, 0); err != nil {
		return err
	}
	if *count < 1 || *count > plan.MaxNodes {
		return usageError{fmt.Sprintf("--nodes must be 1 to %d", plan.MaxNodes)}
	}
	c, err := openCluster(s, *state)
	if err != nil {
		return err
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	return changing(ctx, c, func() error { return up(ctx, s, c, t, *count) })
}

func up(ctx context.Context, s Streams, c *cluster.Cluster, t tree, count int) error {
	running, err := c.Running()
	if err != nil {
		return err
	}
	if running {
		binaries, err := clusterBinaries(ctx, t.builder.Dir)
		if err != nil {
			return err
		}
		if err := c.CheckSame(count, binaries); err != nil {
			return err
		}
		if err := c.Resume(ctx); err != nil {
			return fmt.Errorf("%w\n\"localcluster down\" removes what there is", err)
		}
		fmt.Fprintf(s.Out, "the cluster is up: KUBECONFIG=%s\n", c.Paths().Kubeconfig())
		return nil
	}
	if err := c.CheckState(); err != nil {
		return err
	}
	if err := debian.Install(ctx, t.printer); err != nil {
		return err
	}
	binaries, err := clusterBinaries(ctx, t.builder.Ensure)
	if err != nil {
		return err
	}
	err = t.printer.Step("cluster", func() error {
		if err := c.Up(ctx, count, binaries); err != nil {
			return err
		}
		return loadImages(ctx, c, t, []string{"pause"})
	})
	if err != nil {
		return fmt.Errorf("%w\n\"localcluster down\" removes what there is", err)
	}
	fmt.Fprintf(s.Out, "the cluster is up: KUBECONFIG=%s\n", c.Paths().Kubeconfig())
	return nil
}

// clusterBinaries returns the folders of the binaries, as of tells that of each
// component.
func clusterBinaries(
	ctx context.Context, of func(context.Context, build.Component) (string, error),
) (node.Binaries, error) {
	kubernetes, err := of(ctx, build.Kubernetes())
	if err != nil {
		return node.Binaries{}, err
	}
	containerd, err := of(ctx, build.Containerd())
	return node.Binaries{Kubernetes: kubernetes, Containerd: containerd}, err
}

// loadImages builds third-party images, by their short names, and loads them.
func loadImages(ctx context.Context, c *cluster.Cluster, t tree, shorts []string) error {
	recipes, err := image.Select(shorts)
	if err != nil {
		return err
	}
	version, err := repo.Version(t.root)
	if err != nil {
		return err
	}
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	workshop := image.NewWorkshop(t.root, t.cache, version, t.builder, t.printer)
	for _, recipe := range recipes {
		archive, err := workshop.Build(ctx, recipe)
		if err != nil {
			return err
		}
		if _, err := image.Load(ctx, archive, nodes); err != nil {
			return err
		}
	}
	return nil
}

func runDown(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("down")
	state := stateFlag(flags)
	keepPools := flags.Bool("keep-pools", false, "")
	if err := parse(flags, arguments, 0); err != nil {
		return err
	}
	c, err := openCluster(s, *state)
	if err != nil {
		return err
	}
	return changing(ctx, c, func() error {
		return progress.New(s.Err, progressInterval).Step("removing the cluster", func() error {
			return c.Down(ctx, *keepPools)
		})
	})
}

func runVerifyClean(ctx context.Context, s Streams, arguments []string) error {
	c, err := clusterOf(s, "verify-clean", arguments)
	if err != nil {
		return err
	}
	if err := cluster.RequireRoot(); err != nil {
		return err
	}
	left, err := c.Leftovers(ctx)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		fmt.Fprintln(s.Out, "nothing is left of the cluster")
		return nil
	}
	fmt.Fprintln(s.Out, strings.Join(left, "\n"))
	return errors.New("the cluster has left the above: run \"localcluster down\"")
}

func runKubeconfig(_ context.Context, s Streams, arguments []string) error {
	c, err := clusterOf(s, "kubeconfig", arguments)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, c.Paths().Kubeconfig())
	return nil
}

func runAuditLog(_ context.Context, s Streams, arguments []string) error {
	c, err := clusterOf(s, "audit-log", arguments)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, c.Paths().AuditLog())
	return nil
}

func runEnv(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("env")
	state := stateFlag(flags)
	root := flags.String("root", ".", "")
	if err := parse(flags, arguments, 0); err != nil {
		return err
	}
	c, err := openCluster(s, *state)
	if err != nil {
		return err
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	bin, err := t.builder.Built(ctx, build.Kubernetes())
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "export KUBECONFIG=%q\nexport PATH=%q:\"$PATH\"\n", c.Paths().Kubeconfig(), filepath.Clean(bin))
	return nil
}
