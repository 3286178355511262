// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// searched are the folders of programs that every Linux system has.
const searched = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// SearchPath returns path, the value of $PATH, with the system's folders of
// programs that it lacks at its end: su keeps the path of a user, who has no use
// for the folders of root's programs.
func SearchPath(path string) string {
	var folders []string
	if path != "" {
		folders = filepath.SplitList(path)
	}
	for _, folder := range filepath.SplitList(searched) {
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return strings.Join(folders, ":")
}

// Environment returns the whole environment of a cluster's process: little, so
// that it does not depend on who starts it, and the marker.
func Environment(marker string) []string {
	return []string{
		"PATH=" + SearchPath(""),
		"HOME=/root",
		Marker + "=" + marker,
	}
}

// Start starts a command in the background, in a session of its own, appending
// its output to logFile. The process is not waited for: it outlives its parent.
func Start(command *exec.Cmd, logFile string) (Identity, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Identity{}, fmt.Errorf("opening the log of %q: %w", command.Path, err)
	}
	defer func() { _ = log.Close() }()
	if command.Stdout == nil {
		command.Stdout = log
	}
	command.Stderr = log
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setsid = true
	if err := command.Start(); err != nil {
		return Identity{}, fmt.Errorf("starting %q: %w", command.Path, err)
	}
	// While this process lives it is the parent and must collect the child.
	go func() { _ = command.Wait() }()
	return Of(command.Process.Pid)
}
