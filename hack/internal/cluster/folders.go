// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// marker is the name of a link in the folders of the state and of the pools, if a
// cluster has made them: it leads to the folder of that cluster's state. Down
// deletes them, and looks for their devices and mounts, only if they are marked. A
// link is made whole or not at all.
const marker = ".localcluster"

func (c *Cluster) mark(dir string) error {
	if err := os.Symlink(c.paths.State, filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("marking a folder as the cluster's: %w", err)
	}
	return nil
}

// foreign reports whether there is a folder, or anything else, at dir that this
// cluster has not made.
func (c *Cluster) foreign(dir string) (bool, error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking whose folder %q is: %w", dir, err)
	}
	if !info.IsDir() {
		return true, nil
	}
	target, err := os.Readlink(filepath.Join(dir, marker))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) { // EINVAL: it is no link
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking whose folder %q is: %w", dir, err)
	}
	return target != c.paths.State, nil
}

// own returns the folders of the state and of the pools but foreign ones. One
// that does not exist is returned as well: devices and mounts can outlive it.
func (c *Cluster) own() ([]string, error) {
	var own []string
	for _, dir := range []string{c.paths.State, c.pools} {
		foreign, err := c.foreign(dir)
		if err != nil {
			return nil, err
		}
		if !foreign {
			own = append(own, dir)
		}
	}
	return own, nil
}

// takeState makes the folder of the state and marks it. An empty one that is
// there already becomes the cluster's; any other is an error.
func (c *Cluster) takeState() error {
	if err := makeAll([]string{c.paths.State}); err != nil {
		return err
	}
	if err := c.CheckState(); err != nil {
		return err
	}
	if foreign, err := c.foreign(c.paths.State); err != nil || !foreign {
		return err
	}
	return c.mark(c.paths.State)
}

// CheckState returns an error if the folder of the state holds files that this
// cluster has not made, or is none; then there can be no cluster.
func (c *Cluster) CheckState() error {
	foreign, err := c.foreign(c.paths.State)
	if err != nil || !foreign {
		return err
	}
	if info, err := os.Lstat(c.paths.State); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("%q is no folder: give one by --state, and not by a link to it", c.paths.State))
	}
	entries, err := os.ReadDir(c.paths.State)
	if err != nil {
		return fmt.Errorf("looking whose folder %q is: %w", c.paths.State, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%q holds files that this cluster has not made: empty it, or give another folder by --state",
			c.paths.State)
	}
	return nil
}

// removeOwn removes the folder with all that is in it, if it is not foreign. The
// marker goes last, so that a failure does not make the rest foreign.
func (c *Cluster) removeOwn(dir string) error {
	foreign, err := c.foreign(dir)
	if err != nil || foreign {
		return err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	problems := []error{err}
	for _, entry := range entries {
		if entry.Name() != marker {
			problems = append(problems, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("removing %q: %w", dir, err)
	}
	if err := os.Remove(filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("removing %q: %w", dir, err)
	}
	if err := os.Remove(dir); err != nil {
		return fmt.Errorf("removing %q: %w", dir, err)
	}
	return nil
}

// absent returns those of the folders, and of the folders above them, that do
// not exist, the deepest first.
func absent(folders []string) ([]string, error) {
	var missing []string
	for _, folder := range folders {
		for ; ; folder = filepath.Dir(folder) {
			_, err := os.Stat(folder)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("looking for %q: %w", folder, err)
			}
			missing = append(missing, folder)
		}
	}
	slices.SortFunc(missing, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(missing), nil
}

func makeAll(folders []string) error {
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	return nil
}

// removeEmpty removes the folders that are empty; by now another program may
// have put something into one, which then stays.
func removeEmpty(folders []string) {
	for _, folder := range folders {
		_ = os.Remove(folder)
	}
}
