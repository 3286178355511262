// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/hack/internal/mounts"
)

// In version 2 a group has the controllers that the group above it has enabled
// for those below; without them nothing below it can have a limit. Only a group
// that has no processes of its own can enable them, except the machine's root.
//
// Where there are hierarchies of version 1 as well, limits are theirs, and the
// controllers of version 2 stay as they are.

func onlyVersion2(hierarchies []mounts.Mount) bool {
	return !slices.ContainsFunc(hierarchies, func(m mounts.Mount) bool { return m.FSType != version2 })
}

// EnableInRoots enables the controllers in the roots of the hierarchies, if all
// are of version 2. Called in a node it concerns the node's group, whose
// processes must have moved into groups below it before.
func EnableInRoots(hierarchies []mounts.Mount) error {
	if !onlyVersion2(hierarchies) {
		return nil
	}
	for _, m := range hierarchies {
		if err := enable(m.Point); err != nil {
			return err
		}
	}
	return nil
}

// enableAbove enables the controllers in the groups from root down to the one
// that the group dir lies in.
func enableAbove(root, dir string) error {
	if dir == root {
		return nil
	}
	above := filepath.Dir(dir)
	if err := enableAbove(root, above); err != nil {
		return err
	}
	return enable(above)
}

// enable enables all controllers that the group has for the groups below it.
func enable(dir string) error {
	available, err := words(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	control := filepath.Join(dir, "cgroup.subtree_control")
	enabled, err := words(control)
	if err != nil {
		return err
	}
	var changes []string
	for _, controller := range available {
		if !slices.Contains(enabled, controller) {
			changes = append(changes, "+"+controller)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	err = os.WriteFile(control, []byte(strings.Join(changes, " ")), 0)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("enabling controllers: %w: move the processes in %q into a group below it, "+
			"or run this on the machine itself", err, filepath.Join(dir, "cgroup.procs"))
	}
	if err != nil {
		return fmt.Errorf("enabling controllers: %w", err)
	}
	return nil
}

// words returns the words of a file of a group.
func words(path string) ([]string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading controllers: %w: is %q a group of version 2?", err, filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("reading controllers: %w", err)
	}
	return strings.Fields(string(content)), nil
}
