// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// programs returns the files of an image that holds the named programs of the
// unpacked packages below root, with the libraries and the loader they need.
func programs(root string, names []string) (map[string]File, error) {
	c := collector{root: root, files: map[string]File{}}
	for _, name := range names {
		path, err := c.find(name, "sbin", "bin", "usr/sbin", "usr/bin")
		if err != nil {
			return nil, fmt.Errorf("looking for program %q: %w", name, err)
		}
		if err := c.add(path); err != nil {
			return nil, fmt.Errorf("adding program %q: %w", name, err)
		}
	}
	return c.files, nil
}

// collector gathers files below root under the paths they have there.
type collector struct {
	root  string
	files map[string]File
}

// find returns the path below root of the first file called name in the folders.
func (c collector) find(name string, folders ...string) (string, error) {
	for _, folder := range folders {
		matches, err := filepath.Glob(filepath.Join(c.root, folder, name))
		if err != nil {
			return "", err
		}
		if len(matches) > 0 {
			return strings.TrimPrefix(matches[0], c.root), nil
		}
	}
	return "", fmt.Errorf("%w in %s", fs.ErrNotExist, strings.Join(folders, ", "))
}

// add adds the file at path, following symbolic links within root, and what it
// needs to run.
func (c collector) add(path string) error {
	if _, known := c.files[path]; known {
		return nil
	}
	resolved, err := filepath.EvalSymlinks(filepath.Join(c.root, path))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(resolved, c.root+"/") {
		return fmt.Errorf("%q leads out of the packages, to %q", path, resolved)
	}
	c.files[path] = File{Copy: resolved}
	binary, err := elf.Open(resolved)
	if err != nil {
		return fmt.Errorf("reading %q: %w", resolved, err)
	}
	needed, err := binary.ImportedLibraries()
	interpreter := interpreter(binary)
	if err := errors.Join(err, binary.Close()); err != nil {
		return fmt.Errorf("reading %q: %w", resolved, err)
	}
	return c.addLibraries(interpreter, needed)
}

func (c collector) addLibraries(interpreter string, needed []string) error {
	if interpreter != "" {
		if err := c.addLoader(interpreter); err != nil {
			return err
		}
	}
	for _, name := range needed {
		path, err := c.find(name, "lib/*-linux-*", "usr/lib/*-linux-*", "lib", "usr/lib")
		if err != nil {
			return fmt.Errorf("looking for library %q: %w: add its package", name, err)
		}
		if err := c.add(path); err != nil {
			return err
		}
	}
	return nil
}

// addLoader adds the loader at the very path that programs ask for, wherever its
// package keeps it: the link there may be an absolute one.
func (c collector) addLoader(path string) error {
	kept, err := c.find(filepath.Base(path), "lib/*-linux-*", "usr/lib/*-linux-*")
	if err != nil {
		return fmt.Errorf("looking for loader %q: %w: add its package", path, err)
	}
	c.files[path] = File{Copy: filepath.Join(c.root, kept)}
	return nil
}

// interpreter returns the loader that a program asks for; empty if it is static
// or a library.
func interpreter(binary *elf.File) string {
	for _, program := range binary.Progs {
		if program.Type != elf.PT_INTERP {
			continue
		}
		content := make([]byte, program.Filesz)
		if _, err := program.ReadAt(content, 0); err != nil {
			return ""
		}
		return strings.TrimRight(string(content), "\x00")
	}
	return ""
}
