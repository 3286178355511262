// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process starts, recognises and ends the processes of the cluster.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Identity names one process for ever: a process id is used again by the
// kernel, together with the start time it is not.
type Identity struct {
	PID int `json:"pid"`
	// StartTime is in clock ticks since the machine booted.
	StartTime uint64 `json:"startTime"`
}

// Of returns the identity of the process that has this id now. The error is
// fs.ErrNotExist if there is none.
func Of(pid int) (Identity, error) {
	content, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return Identity{}, fmt.Errorf("reading process %d: %w", pid, err)
	}
	stat, err := parseStat(content)
	if err != nil {
		return Identity{}, fmt.Errorf("reading process %d: %w", pid, err)
	}
	return Identity{PID: pid, StartTime: stat.startTime}, nil
}

// Alive reports whether the process runs; one that has ended but was not yet
// waited for by its parent does not.
func (i Identity) Alive() bool {
	content, err := os.ReadFile(procFile(i.PID, "stat"))
	if err != nil {
		return false
	}
	stat, err := parseStat(content)
	return err == nil && stat.startTime == i.StartTime && stat.state != 'Z' && stat.state != 'X'
}

type stat struct {
	state     byte
	startTime uint64
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The second field is the
// command in parentheses and may itself contain spaces and parentheses.
func parseStat(content []byte) (stat, error) {
	end := bytes.LastIndexByte(content, ')')
	fields := strings.Fields(string(content[end+1:]))
	const state, startTime = 0, 19 // counted from the third field
	if end < 0 || len(fields) <= startTime {
		return stat{}, fmt.Errorf("%q is not the content of a stat file", content)
	}
	ticks, err := strconv.ParseUint(fields[startTime], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("reading a start time: %w", err)
	}
	return stat{state: fields[state][0], startTime: ticks}, nil
}

// Innermost returns the id that the process has in its own process namespace.
func (i Identity) Innermost() (int, error) {
	content, err := os.ReadFile(procFile(i.PID, "status"))
	if err != nil {
		return 0, fmt.Errorf("reading process %d: %w", i.PID, err)
	}
	return innermost(content)
}

func innermost(status []byte) (int, error) {
	for line := range strings.Lines(string(status)) {
		if ids, found := strings.CutPrefix(line, "NSpid:"); found {
			fields := strings.Fields(ids)
			if len(fields) == 0 {
				break
			}
			return strconv.Atoi(fields[len(fields)-1])
		}
	}
	return 0, errors.New("the kernel does not tell ids in process namespaces")
}

// all returns the ids of the processes that exist now.
func all() ([]int, error) {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var ids []int
	for _, path := range paths {
		if id, err := strconv.Atoi(filepath.Base(path)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}
