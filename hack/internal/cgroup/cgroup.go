// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cgroup makes and removes the cluster's control groups, in all
// hierarchies of the machine: one (version 2), several (version 1) or both.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/hack/internal/mounts"
)

// version2 is the type of file system of a hierarchy of version 2.
const version2 = "cgroup2"

// Hierarchies returns the mounts of the machine's control groups.
func Hierarchies() ([]mounts.Mount, error) {
	table, err := mounts.Own()
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(table, func(m mounts.Mount) bool { return m.FSType != "cgroup" && m.FSType != version2 })
	if len(found) == 0 {
		return nil, errors.New("no control groups are mounted on this machine: mount them at /sys/fs/cgroup")
	}
	return found, nil
}

// folders returns the folder of the group called name in each hierarchy, whether
// it exists or not.
func folders(name string) ([]string, error) {
	hierarchies, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	dirs := make([]string, len(hierarchies))
	for i, m := range hierarchies {
		dirs[i] = filepath.Join(m.Point, name)
	}
	return dirs, nil
}

// Join moves the calling process into the groups that have these folders.
func Join(dirs []string) error {
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			return fmt.Errorf("joining a control group: %w", err)
		}
	}
	return nil
}

// Remount mounts the hierarchies anew, so that they show no more than the
// process's own namespace of control groups.
func Remount(hierarchies []mounts.Mount) error {
	for _, m := range slices.Backward(hierarchies) {
		if err := unix.Unmount(m.Point, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %q: %w", m.Point, err)
		}
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range hierarchies {
		if err := unix.Mount(m.FSType, m.Point, m.FSType, flags, hierarchyOptions(m)); err != nil {
			return fmt.Errorf("mounting control groups on %q: %w", m.Point, err)
		}
	}
	return nil
}

// hierarchyOptions are those that name the hierarchy: in version 1 its
// controllers, or its name if it has none; in version 2 there is but one.
func hierarchyOptions(m mounts.Mount) string {
	if m.FSType == version2 {
		return ""
	}
	var options []string
	for _, option := range m.Options {
		switch {
		case option == "rw", option == "ro":
		case strings.HasPrefix(option, "name="):
			options = append(options, "none", option)
		default:
			options = append(options, option)
		}
	}
	return strings.Join(options, ",")
}

// Make makes the group called name, and the groups called leaves in it, and
// returns the folder of name in each hierarchy. Where there is version 2 only, the
// group gets the machine's controllers, but the leaves do not: see EnableInRoots.
func Make(name string, leaves ...string) ([]string, error) {
	hierarchies, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	dirs, err := makeIn(hierarchies, name, leaves)
	if err != nil {
		return nil, fmt.Errorf("making control group %q: %w", name, err)
	}
	return dirs, nil
}

func makeIn(hierarchies []mounts.Mount, name string, leaves []string) ([]string, error) {
	dirs := make([]string, len(hierarchies))
	for i, m := range hierarchies {
		dirs[i] = filepath.Join(m.Point, name)
		if err := makeGroup(m, dirs[i]); err != nil {
			return nil, err
		}
		for _, leaf := range leaves {
			if err := makeGroup(m, filepath.Join(dirs[i], leaf)); err != nil {
				return nil, err
			}
		}
	}
	if !onlyVersion2(hierarchies) {
		return dirs, nil
	}
	for i, m := range hierarchies {
		if err := enableAbove(m.Point, dirs[i]); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

func makeGroup(hierarchy mounts.Mount, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if hierarchy.FSType == version2 {
		return nil
	}
	return initialize(dir)
}

// initialize gives the group the processors and memory nodes of its parents: in
// the cpuset hierarchy of version 1 a new group has none and takes no process.
func initialize(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if err := inherit(dir, file); err != nil {
			return err
		}
	}
	return nil
}

func inherit(dir, file string) error {
	own, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(own) > 1) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := inherit(filepath.Dir(dir), file); err != nil {
		return err
	}
	parents, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, file), parents, 0o644)
}

// Existing returns the folders of the group called name.
func Existing(name string) ([]string, error) {
	dirs, err := folders(name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Lstat(dir)
		return errors.Is(err, fs.ErrNotExist)
	}), nil
}

// removePoll is how often Remove tries again: the kernel needs a moment after the
// last process of a group has ended.
const removePoll = 50 * time.Millisecond

// Remove removes the group called name with those below it, waiting for the end
// of their processes until ctx ends.
func Remove(ctx context.Context, name string) error {
	dirs, err := Existing(name)
	if err != nil {
		return err
	}
	var problems []error
	for _, dir := range dirs {
		if err := removeWhenEmpty(ctx, dir); err != nil {
			problems = append(problems, fmt.Errorf("removing control group %q: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

func removeWhenEmpty(ctx context.Context, dir string) error {
	for {
		err := removeTree(dir)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(removePoll):
		}
	}
}

// removeTree removes folders from the deepest up; the files of a control group
// cannot be removed and go with its folder.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return ignoreMissing(os.Remove(dir))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
