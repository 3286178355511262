// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Recipe is an image that can be built here.
type Recipe struct {
	// Short is the name by which "image build" knows it.
	Short string
	// ThirdParty images depend on pins only, the others on the working tree.
	ThirdParty bool
	// name is the image's whole reference. That of an own image lacks the tag.
	name string
	// version tells the version of an own image that has one of its own; nil if it
	// has the project's.
	version func(root string) (string, error)
	make    func(ctx context.Context, w Workshop, name string) (Image, error)
}

// Recipes returns all images that the cluster, the demo and the tests use.
func Recipes() []Recipe {
	const sidecars, own = "registry.k8s.io/sig-storage/", "ghcr.io/csi-operator/"
	return []Recipe{
		{Short: "pause", ThirdParty: true, name: "registry.k8s.io/pause:3.10", make: standIn("pause")},
		{Short: "busybox", ThirdParty: true, name: "docker.io/library/busybox:1.36", make: busybox},
		{Short: "csi-provisioner", ThirdParty: true, name: sidecars + "csi-provisioner:v6.3.0", make: sidecar("csi-provisioner")},
		{Short: "csi-attacher", ThirdParty: true, name: sidecars + "csi-attacher:v4.12.0", make: sidecar("csi-attacher")},
		{Short: "csi-resizer", ThirdParty: true, name: sidecars + "csi-resizer:v2.2.0", make: sidecar("csi-resizer")},
		{Short: "csi-snapshotter", ThirdParty: true, name: sidecars + "csi-snapshotter:v8.6.0", make: sidecar("csi-snapshotter")},
		{Short: "snapshot-controller", ThirdParty: true,
			name: sidecars + "snapshot-controller:v8.6.0", make: sidecar("snapshot-controller")},
		{Short: "csi-node-driver-registrar", ThirdParty: true,
			name: sidecars + "csi-node-driver-registrar:v2.17.0", make: standIn("node-driver-registrar")},
		{Short: "livenessprobe", ThirdParty: true, name: sidecars + "livenessprobe:v2.19.0", make: standIn("livenessprobe")},
		{Short: "csi-operator", name: own + "csi-operator", make: operator},
		{Short: "csi-pool-driver", name: own + "csi-pool-driver", make: poolDriver},
		{Short: "csi-inspector", name: own + "csi-inspector", version: inspectorVersion, make: inspector},
		{Short: "csi-test-driver", name: own + "csi-test-driver", make: testDriver},
	}
}

// Select returns the recipes called shorts; all if there are none.
func Select(shorts []string) ([]Recipe, error) {
	all := Recipes()
	if len(shorts) == 0 {
		return all, nil
	}
	var selected []Recipe
	for _, short := range shorts {
		at := slices.IndexFunc(all, func(r Recipe) bool { return r.Short == short })
		if at < 0 {
			return nil, fmt.Errorf("%q is no image: use %s", short, strings.Join(shortNames(all), ", "))
		}
		selected = append(selected, all[at])
	}
	return selected, nil
}

func shortNames(recipes []Recipe) []string {
	names := make([]string, len(recipes))
	for i, r := range recipes {
		names[i] = r.Short
	}
	return names
}

// Name returns the whole reference of the image of the working tree at root, as it
// is while the project has this version, without "v".
func (r Recipe) Name(root, version string) (string, error) {
	if r.ThirdParty {
		return r.name, nil
	}
	if r.version != nil {
		var err error
		if version, err = r.version(root); err != nil {
			return "", err
		}
	}
	return r.name + ":v" + version, nil
}

func single(name, binary, entrypoint string) Image {
	return Image{Name: name, Entrypoint: []string{entrypoint}, Files: map[string]File{entrypoint: {Copy: binary}}}
}

// standIn makes the image of a program of this module that stands in for one
// which the Go module proxy does not have.
func standIn(command string) func(context.Context, Workshop, string) (Image, error) {
	return func(ctx context.Context, w Workshop, name string) (Image, error) {
		binary, err := w.compile(ctx, "hack", "standins/"+command, "")
		return single(name, binary, "/"+command), err
	}
}

func sidecar(command string) func(context.Context, Workshop, string) (Image, error) {
	return func(ctx context.Context, w Workshop, name string) (Image, error) {
		binary, err := w.sidecar(ctx, command)
		return single(name, binary, "/"+command), err
	}
}

// nonRoot is the user of images that need no rights.
const nonRoot = "65532"

func operator(ctx context.Context, w Workshop, name string) (Image, error) {
	binary, err := w.own(ctx, "cmd/csi-operator")
	made := single(name, binary, "/csi-operator")
	made.User = nonRoot
	return made, err
}

func poolDriver(ctx context.Context, w Workshop, name string) (Image, error) {
	binary, err := w.own(ctx, "cmd/csi-pool-driver")
	if err != nil {
		return Image{}, err
	}
	made := single(name, binary, "/csi-pool-driver")
	tools, err := w.unpacked(ctx, "driver-tools", driverTools())
	if err != nil {
		return Image{}, err
	}
	for path, file := range tools {
		made.Files[path] = file
	}
	return made, nil
}

func testDriver(ctx context.Context, w Workshop, name string) (Image, error) {
	binary, err := w.own(ctx, "test/driver")
	return single(name, binary, "/csi-test-driver"), err
}

func busybox(ctx context.Context, w Workshop, name string) (Image, error) {
	files, err := w.unpacked(ctx, "busybox", toolSet{
		packages: []string{"busybox-static"},
		tools:    []tool{{name: "busybox", check: []string{"--help"}}},
	})
	if err != nil {
		return Image{}, err
	}
	for _, applet := range busyboxApplets() {
		files["/bin/"+applet] = File{Link: "busybox"}
	}
	return Image{Name: name, Entrypoint: nil, Files: files}, nil
}

// busyboxApplets are the commands that workload pods of demo and tests may use.
func busyboxApplets() []string {
	return []string{
		"ash", "blockdev", "cat", "chmod", "chown", "cmp", "cp", "cut", "date", "dd", "df", "du", "echo", "env",
		"false", "find", "grep", "head", "hexdump", "hostname", "id", "ip", "kill", "ls", "md5sum", "mkdir", "mount",
		"mv", "nc", "od", "ping", "printf", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "sh", "sha256sum", "sleep",
		"sort", "stat", "sync", "tail", "tee", "test", "touch", "tr", "true", "truncate", "umount", "uname", "wc", "wget",
	}
}
