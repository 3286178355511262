// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/debian"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

func buildCommands() []command {
	return []command{
		{
			name: "build", arguments: "[--only COMPONENT]", run: runBuild,
			summary: "build the binaries that are not in the cache yet",
			detail: `
Components: kubernetes (etcd, control plane, kubelet, kubectl), containerd, sidecars
(CSI sidecars, snapshot-controller).
They are kept in $XDG_CACHE_HOME/csi-operator (~/.cache/csi-operator), keyed by their
sources, pins and compiler; a build that is there already takes no time.
The folders of the binaries are printed.`,
		},
		{
			name: "assets", run: runAssets,
			summary: "print the folder for envtest's KUBEBUILDER_ASSETS (after build --only kubernetes)",
		},
		{
			name: "bindir", run: runAssets,
			summary: "print the folder of kubectl and the control plane, for PATH",
		},
		{
			name: "crds", arguments: "snapshots", run: runCRDs,
			summary: "print the folder of the CustomResourceDefinitions of snapshots",
			detail: `
They have the version of csi-snapshotter and snapshot-controller and lie in Go's own
cache. The folder suits "kubectl apply -k", and envtest.`,
		},
		{
			name: "deps", run: runDeps,
			summary: "install the Debian packages that are missing (\"up\" does it, too)",
		},
		{
			name: "kubectl", arguments: "[--] ARGUMENTS", run: runKubectl,
			summary: "run kubectl against the local cluster, or what $KUBECONFIG names",
		},
	}
}

func runBuild(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("build")
	root := flags.String("root", ".", "")
	only := flags.String("only", "", "")
	if err := parse(flags, arguments, 0); err != nil {
		return err
	}
	components := build.Components()
	if *only != "" {
		component, err := build.Find(*only)
		if err != nil {
			return usageError{err.Error()}
		}
		components = []build.Component{component}
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	for _, component := range components {
		dir, err := t.builder.Ensure(ctx, component)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.Out, dir)
	}
	return nil
}

func runDeps(ctx context.Context, s Streams, arguments []string) error {
	if err := parse(newFlags("deps"), arguments, 0); err != nil {
		return err
	}
	return debian.Install(ctx, progress.New(s.Err, progressInterval))
}

func runAssets(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("assets")
	root := flags.String("root", ".", "")
	if err := parse(flags, arguments, 0); err != nil {
		return err
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	dir, err := t.builder.Built(ctx, build.Kubernetes())
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, dir)
	return nil
}

func runCRDs(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("crds")
	root := flags.String("root", ".", "")
	if err := parse(flags, arguments, 1); err != nil {
		return err
	}
	if flags.Arg(0) != "snapshots" {
		return usageError{`only those of "snapshots" are known`}
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	dir, err := t.builder.SnapshotCRDs(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, dir)
	return nil
}

// runKubectl passes everything on to kubectl but a leading "--". An explicit
// $KUBECONFIG wins over the local cluster's.
func runKubectl(ctx context.Context, s Streams, arguments []string) error {
	t, err := openTree(s, ".")
	if err != nil {
		return err
	}
	dir, err := t.builder.Built(ctx, build.Kubernetes())
	if err != nil {
		return err
	}
	if len(arguments) > 0 && arguments[0] == "--" {
		arguments = arguments[1:]
	}
	kubectl := exec.CommandContext(ctx, filepath.Join(dir, "kubectl"), arguments...)
	kubectl.Stdin, kubectl.Stdout, kubectl.Stderr = s.In, s.Out, s.Err
	kubectl.Env = os.Environ()
	if os.Getenv("KUBECONFIG") == "" {
		kubectl.Env = append(kubectl.Env, "KUBECONFIG="+plan.Paths{State: plan.DefaultStateDir}.Kubeconfig())
	}
	return passOn(kubectl.Run())
}
