// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// namespaces are those that a node has of its own. The order is that of
// entering: /proc is found by the way of the mounts.
func namespaces() []string { return []string{"pid", "net", "ipc", "uts", "cgroup", "mnt"} }

// startInside starts the command in the namespaces of the process first.
//
// A thread enters the namespaces, starts the command and ends: the goroutine
// never unlocks it, so the runtime does not use it for anything else.
func startInside(first process.Identity, command *exec.Cmd) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- enterAndStart(first, command)
	}()
	return <-result
}

func enterAndStart(first process.Identity, command *exec.Cmd) (err error) {
	var files []*os.File
	defer func() {
		for _, file := range files {
			err = errors.Join(err, file.Close())
		}
	}()
	for _, name := range namespaces() {
		file, err := os.Open(filepath.Join("/proc", strconv.Itoa(first.PID), "ns", name))
		if err != nil {
			return fmt.Errorf("opening the node's %s namespace: %w", name, err)
		}
		files = append(files, file)
	}
	if !first.Alive() { // checked after opening, so that it cannot be another process's
		return errors.New("the node's first process has ended")
	}
	// A thread that shares its working directory cannot enter other mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("separating a thread: %w", err)
	}
	for i, file := range files {
		if err := unix.Setns(int(file.Fd()), 0); err != nil {
			return fmt.Errorf("entering the node's %s namespace: %w", namespaces()[i], err)
		}
	}
	if command.Dir == "" {
		command.Dir = "/"
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %q in the node: %w", command.Path, err)
	}
	return nil
}

// runInside is startInside and waits for the command's end. The error is an
// *exec.ExitError if the command ran and failed.
func runInside(first process.Identity, command *exec.Cmd) error {
	if err := startInside(first, command); err != nil {
		return err
	}
	return command.Wait()
}
