// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/csi-operator/csi-operator/hack/internal/cluster"
	"github.com/csi-operator/csi-operator/hack/internal/image"
	"github.com/csi-operator/csi-operator/hack/internal/repo"
)

func imageCommands() []command {
	return []command{
		{
			name: "image", arguments: "build [--version V] [--third-party] [--no-load] [NAME…] | list | load ARCHIVE…", run: runImage,
			summary: "build images without Docker and load them on all nodes",
			detail: `
  build  make the named images, or all, without Docker, and print the path of each
         archive on a line. --third-party builds all but this project's own. Own images
         have the tag v and the version of internal/version, or of --version, but for
         csi-inspector: its version is that of internal/inspect.
         What has not changed is not built again. If the cluster is up and
         --no-load is not given, the images are loaded as well.
  list   print the names of the images that can be built, and their references.
  load   import archives on every node that lacks their very content.`,
		},
	}
}

func runImage(ctx context.Context, s Streams, arguments []string) error {
	if len(arguments) == 0 {
		return usageError{"build, list or load?"}
	}
	actions := map[string]func(context.Context, Streams, []string) error{
		"build": buildImages, "list": listImages, "load": runLoad,
	}
	act, known := actions[arguments[0]]
	if !known {
		return usageError{fmt.Sprintf("%q is neither build nor list nor load", arguments[0])}
	}
	return act(ctx, s, arguments[1:])
}

func buildImages(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("image build")
	root := flags.String("root", ".", "")
	version := flags.String("version", "", "")
	thirdParty := flags.Bool("third-party", false, "")
	state := stateFlag(flags)
	noLoad := flags.Bool("no-load", false, "")
	if err := parse(flags, arguments, -1); err != nil {
		return err
	}
	recipes, err := image.Select(flags.Args())
	if err != nil {
		return usageError{err.Error()}
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	if *version == "" {
		if *version, err = repo.Version(t.root); err != nil {
			return err
		}
	}
	if *thirdParty {
		recipes = slices.DeleteFunc(recipes, func(r image.Recipe) bool { return !r.ThirdParty })
	}
	workshop := image.NewWorkshop(t.root, t.cache, strings.TrimPrefix(*version, "v"), t.builder, t.printer)
	archives, err := buildArchives(ctx, s, workshop, recipes)
	if err != nil || *noLoad {
		return err
	}
	return loadIfUp(ctx, s, *state, archives)
}

func buildArchives(ctx context.Context, s Streams, w image.Workshop, recipes []image.Recipe) ([]string, error) {
	var archives []string
	for _, recipe := range recipes {
		archive, err := w.Build(ctx, recipe)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(s.Out, archive)
		archives = append(archives, archive)
	}
	return archives, nil
}

// loadIfUp loads the archives if there is a cluster that is up.
func loadIfUp(ctx context.Context, s Streams, state string, archives []string) error {
	c, err := openCluster(s, state)
	if err != nil {
		return err
	}
	if up, err := c.Running(); err != nil || !up {
		return err
	}
	return loadArchives(ctx, s.Err, c, archives)
}

func listImages(_ context.Context, s Streams, arguments []string) error {
	flags := newFlags("image list")
	root := flags.String("root", ".", "")
	if err := parse(flags, arguments, 0); err != nil {
		return err
	}
	t, err := openTree(s, *root)
	if err != nil {
		return err
	}
	version, err := repo.Version(t.root)
	if err != nil {
		return err
	}
	for _, recipe := range image.Recipes() {
		name, err := recipe.Name(t.root, version)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%-27s%s\n", recipe.Short, name)
	}
	return nil
}

func runLoad(ctx context.Context, s Streams, arguments []string) error {
	flags := newFlags("image load")
	state := stateFlag(flags)
	if err := parse(flags, arguments, -1); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return usageError{"which archives?"}
	}
	c, err := openCluster(s, *state)
	if err != nil {
		return err
	}
	return loadArchives(ctx, s.Out, c, flags.Args())
}

// loadArchives loads the archives on all nodes of c and tells on out.
func loadArchives(ctx context.Context, out io.Writer, c *cluster.Cluster, archives []string) error {
	if err := cluster.RequireRoot(); err != nil {
		return err
	}
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	for _, archive := range archives {
		loaded, err := image.Load(ctx, archive, nodes)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, describeLoad(archive, loaded))
	}
	return nil
}

func describeLoad(archive string, loaded []string) string {
	if len(loaded) == 0 {
		return archive + ": all nodes have it"
	}
	return archive + ": loaded on " + strings.Join(loaded, ", ")
}
