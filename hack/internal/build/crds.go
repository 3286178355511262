// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// snapshotClient is the module of the snapshot API. It has the version of the
// sidecars that serve this API.
const snapshotClient = "github.com/kubernetes-csi/external-snapshotter/client/v8"

// SnapshotCRDs returns the folder of the CustomResourceDefinitions of snapshots, in
// the version that the sidecars are built for. These need not be built yet.
func (b *Builder) SnapshotCRDs(ctx context.Context) (string, error) {
	dir, err := b.moduleDir(ctx, Sidecars(), snapshotClient+"/apis/volumesnapshot/v1")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "config", "crd"), nil
}

// moduleDir returns the folder of the module that holds the package pkg, which c
// imports. It is in Go's own cache; Go downloads what is missing there.
func (b *Builder) moduleDir(ctx context.Context, c Component, pkg string) (string, error) {
	var problems bytes.Buffer
	command := exec.CommandContext(ctx, "go", "list", "-find", "-f", "{{.Module.Dir}}", pkg)
	command.Dir = b.module(c)
	command.Env = append(os.Environ(), "GOWORK=off")
	command.Stderr = &problems
	dir, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("looking for %s in the modules of %s: %w\n%s", pkg, c.Name, err, bytes.TrimSpace(problems.Bytes()))
	}
	return strings.TrimSpace(string(dir)), nil
}
