// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// CacheDir returns the folder below which everything is kept that can be made
// again: $XDG_CACHE_HOME/csi-operator, or ~/.cache/csi-operator.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w (set XDG_CACHE_HOME)", err)
	}
	return filepath.Join(base, "csi-operator"), nil
}

// Cached returns the folder cache/name. If it is missing, fill makes its
// content in a temporary folder that is renamed when fill has succeeded, so that
// what is there is whole. Of several processes one fills and the others wait.
func Cached(ctx context.Context, cache, name string, fill func(dir string) error) (string, error) {
	final := filepath.Join(cache, name)
	if exists(final) {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	unlock, err := lock(ctx, final+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(final) {
		return final, nil
	}
	return final, fillAndRename(final, fill)
}

func fillAndRename(final string, fill func(dir string) error) error {
	// The lock is held: a folder of this name is what a killed process left.
	temporary := final + ".partial"
	if err := os.RemoveAll(temporary); err != nil {
		return fmt.Errorf("removing an unfinished build: %w", err)
	}
	if err := os.Mkdir(temporary, 0o755); err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	if err := fill(temporary); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	if err := os.Rename(temporary, final); err != nil {
		return fmt.Errorf("keeping what was built: %w", err)
	}
	return nil
}

// lockPoll is how often a process that waits for another one looks again.
const lockPoll = 200 * time.Millisecond

// lock takes the lock file at path, waiting for its holder until ctx ends. The
// kernel releases it when its holder dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening a lock file: %w", err)
	}
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil // closing releases the lock
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking %q: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for the process that holds %q: %w", path, ctx.Err()), file.Close())
		case <-time.After(lockPoll):
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
