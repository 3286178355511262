// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc, which Linux fixes for user space.
const tick = 10 * time.Millisecond

// RSS is the resident memory of a process, in bytes.
func RSS(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of a process: %w", err)
	}
	return rssIn(string(text))
}

// rssIn reads a file /proc/PID/status.
func rssIn(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading VmRSS: %w", err)
			}
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("no VmRSS in %q", status)
}

// CPU is the processor time that a process has used.
func CPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of a process: %w", err)
	}
	s, err := parseStat(string(text))
	return s.cpu, err
}

// Child finds the process of a program that this one has started.
func Child(program string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if s, err := parseStat(string(text)); err == nil && s.program == program && s.parent == os.Getpid() {
			return s.pid, nil
		}
	}
	return 0, fmt.Errorf("no process %s was started", program)
}

// stat is the part of /proc/PID/stat that is used.
type stat struct {
	pid, parent int
	program     string // its first 15 bytes
	cpu         time.Duration
}

// parseStat reads a file /proc/PID/stat; the program's name may hold anything.
func parseStat(text string) (stat, error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return stat{}, fmt.Errorf("no program in %q", text)
	}
	const parent, user, system = 1, 11, 12 // behind the program's name
	fields := strings.Fields(text[end+1:])
	if len(fields) <= system {
		return stat{}, fmt.Errorf("too few fields in %q", text)
	}
	var numbers [4]int
	for i, field := range []string{strings.TrimSpace(text[:open]), fields[parent], fields[user], fields[system]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			return stat{}, fmt.Errorf("reading %q: %w", text, err)
		}
		numbers[i] = n
	}
	return stat{
		pid: numbers[0], parent: numbers[1], program: text[open+1 : end],
		cpu: time.Duration(numbers[2]+numbers[3]) * tick,
	}, nil
}
