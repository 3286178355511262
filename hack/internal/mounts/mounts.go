// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mounts reads the mount table of a process.
package mounts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Mount is one line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	// Root is the folder, or the file, of the file system that is mounted.
	Root string
	// Point is where it is mounted, as the process sees it.
	Point string
	// FSType is the type of the file system, Source what it was mounted from.
	FSType, Source string
	// Options are those of the file system, not of this mount of it.
	Options []string
}

// Of returns the mounts that the process sees, in the order they were made.
func Of(pid int) ([]Mount, error) { return read(strconv.Itoa(pid)) }

// Own returns the mounts that the calling process sees.
func Own() ([]Mount, error) { return read("self") }

func read(process string) ([]Mount, error) {
	content, err := os.ReadFile(filepath.Join("/proc", process, "mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("reading the mounts of process %s: %w", process, err)
	}
	return parse(string(content))
}

// Below returns those of all that are mounted on dir or deeper.
func Below(all []Mount, dir string) []Mount {
	var below []Mount
	for _, m := range all {
		if m.Point == dir || strings.HasPrefix(m.Point, dir+"/") {
			below = append(below, m)
		}
	}
	return below
}

func parse(table string) ([]Mount, error) {
	var all []Mount
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		separator := -1
		for i := 6; i < len(fields); i++ { // any number of optional fields come before it
			if fields[i] == "-" {
				separator = i
				break
			}
		}
		if separator < 0 || len(fields) < separator+4 {
			return nil, errors.New("reading a mount table: unknown form of line " + strconv.Quote(line))
		}
		all = append(all, Mount{
			Root: unescape(fields[3]), Point: unescape(fields[4]),
			FSType: fields[separator+1], Source: unescape(fields[separator+2]),
			Options: strings.Split(fields[separator+3], ","),
		})
	}
	return all, nil
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(field string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(field)
}
