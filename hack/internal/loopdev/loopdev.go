// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package loopdev finds and detaches loop devices.
package loopdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/hack/internal/mounts"
)

// Device is a loop device that has a backing file.
type Device struct {
	Number int
	// BackingFile is its path as the kernel tells it. It is relative to some
	// folder if the mount that the file was opened by is gone.
	BackingFile string
	file        fileID
	on          int // number of the loop device that is its backing file, or none
}

// none is the number of no loop device.
const none = -1

// loopMajor is the major number of loop devices.
const loopMajor = 7

// fileID names a file, whatever path leads to it.
type fileID struct{ device, inode uint64 }

// Path returns the device's path.
func (d Device) Path() string { return "/dev/loop" + strconv.Itoa(d.Number) }

// Attached returns all loop devices that have a backing file.
func Attached() ([]Device, error) {
	paths, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, fmt.Errorf("listing loop devices: %w", err)
	}
	var devices []Device
	for _, path := range paths {
		number, err := strconv.Atoi(strings.TrimPrefix(strings.Split(path, "/")[3], "loop"))
		if err != nil {
			return nil, fmt.Errorf("listing loop devices: %w", err)
		}
		device, err := inspect(number)
		if errors.Is(err, unix.ENXIO) || errors.Is(err, fs.ErrNotExist) {
			continue // detached meanwhile
		}
		if err != nil {
			return nil, err
		}
		devices = append(devices, device)
	}
	return devices, nil
}

func inspect(number int) (Device, error) {
	d := Device{Number: number}
	file, err := os.Open(d.Path())
	if err != nil {
		return Device{}, fmt.Errorf("opening a loop device: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := unix.IoctlLoopGetStatus64(int(file.Fd()))
	if err != nil {
		return Device{}, fmt.Errorf("asking %s for its backing file: %w", d.Path(), err)
	}
	backing, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.Path()), "loop/backing_file"))
	if err != nil {
		return Device{}, fmt.Errorf("asking %s for its backing file: %w", d.Path(), err)
	}
	d.BackingFile = strings.TrimSpace(string(backing))
	d.file = fileID{device: info.Device, inode: info.Inode}
	d.on = none
	if unix.Major(info.Rdevice) == loopMajor {
		d.on = int(unix.Minor(info.Rdevice))
	}
	return d, nil
}

// WithStacked adds to the devices those that lie on one of them, however many are
// between: a kubelet lays a device of its own on that of a raw block volume, and
// mounts it nowhere.
func WithStacked(attached, devices []Device) []Device {
	found := slices.Clone(devices)
	for i := 0; i < len(found); i++ {
		for _, d := range attached {
			known := slices.ContainsFunc(found, func(f Device) bool { return f.Number == d.Number })
			if d.on == found[i].Number && !known {
				found = append(found, d)
			}
		}
	}
	return found
}

// BackedBelow returns those devices whose backing file lies below one of the
// folders: by its path, or, since the kernel's path may lack its beginning, by
// being the same file. A folder that does not exist holds nothing.
func BackedBelow(devices []Device, dirs ...string) ([]Device, error) {
	files := map[fileID]bool{}
	for _, dir := range dirs {
		if err := collect(dir, files); err != nil {
			return nil, err
		}
	}
	var found []Device
	for _, d := range devices {
		if files[d.file] || pathBelow(d.BackingFile, dirs) {
			found = append(found, d)
		}
	}
	return found, nil
}

func collect(dir string, into map[fileID]bool) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreMissing(err)
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return ignoreMissing(err)
		}
		into[fileID{device: stat.Dev, inode: stat.Ino}] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for backing files of loop devices: %w", err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func pathBelow(path string, dirs []string) bool {
	for _, dir := range dirs {
		if strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}

// UsedOnlyBy returns those devices that are mounted in the table and not on the
// machine itself: a node begins with a copy of the machine's mounts.
func UsedOnlyBy(devices []Device, table []mounts.Mount) ([]Device, error) {
	machine, err := mounts.Own()
	if err != nil {
		return nil, err
	}
	return usedOnlyBy(devices, table, machine), nil
}

func usedOnlyBy(devices []Device, table, machine []mounts.Mount) []Device {
	here, there := used(table), used(machine)
	var found []Device
	for _, d := range devices {
		if here[d.Path()] && !there[d.Path()] {
			found = append(found, d)
		}
	}
	return found
}

// used returns the devices that are mounted: as the source of a file system, or
// as a device node that is mounted on a file (a raw block volume).
func used(table []mounts.Mount) map[string]bool {
	paths := map[string]bool{}
	for _, m := range table {
		paths[m.Source] = true
		if m.FSType == "devtmpfs" {
			paths[filepath.Join("/dev", m.Root)] = true
		}
	}
	return paths
}

// detachPoll is how often Detach looks whether the kernel has let go.
const detachPoll = 20 * time.Millisecond

// Detach takes the backing files from the devices and returns when they have
// none. A device that is still mounted, or lies under another one, keeps it until
// that has gone; it does not keep the others from being detached.
func Detach(ctx context.Context, devices ...Device) error {
	problems := make([]error, len(devices))
	var running sync.WaitGroup
	for i, d := range devices {
		running.Go(func() { problems[i] = d.detach(ctx) })
	}
	running.Wait()
	return errors.Join(problems...)
}

func (d Device) detach(ctx context.Context) error {
	for {
		now, err := inspect(d.Number)
		if errors.Is(err, unix.ENXIO) || errors.Is(err, fs.ErrNotExist) || (err == nil && now.file != d.file) {
			return nil // it is free, or serves another file by now
		}
		if err != nil {
			return err
		}
		if err := d.clear(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("detaching %s from %q, which is still in use: %w", d.Path(), d.BackingFile, ctx.Err())
		case <-time.After(detachPoll):
		}
	}
}

func (d Device) clear() error {
	file, err := os.OpenFile(d.Path(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening a loop device: %w", err)
	}
	defer func() { _ = file.Close() }()
	err = unix.IoctlSetInt(int(file.Fd()), unix.LOOP_CLR_FD, 0)
	if err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("detaching %s: %w", d.Path(), err)
	}
	return nil
}
