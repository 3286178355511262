// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// copyTree copies folders, files and symbolic links with their modes and owners.
// It fails for what has no content to copy, such as a socket.
func copyTree(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copying %q: %w", from, err)
	}
	err := filepath.WalkDir(to, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(to, path)
		if err != nil {
			return err
		}
		return finish(path, filepath.Join(from, relative))
	})
	if err != nil {
		return fmt.Errorf("copying owners and modes of %q: %w", from, err)
	}
	return nil
}

// finish makes a copy like its original, unless that was deleted meanwhile.
func finish(path, original string) error {
	info, err := os.Lstat(original)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if info.Mode().Type() == fs.ModeSymlink {
		return nil // it has neither mode nor content
	}
	if err := os.Chmod(path, info.Mode()); err != nil {
		return err
	}
	return flush(path)
}
