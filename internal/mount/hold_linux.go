// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HoldLoop has the device open: the kernel releases none that is. What stood for a
// moment between the look at the token and the end of a waiting release is looked at
// again.
func (l *Linux) HoldLoop(number int, token string) (letGo func(), err error) {
	device, err := l.openLoop(number, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("holding loop device %d: %w", number, ErrReleased)
	}
	if err != nil {
		return nil, err
	}
	binding, err := status(device)
	if err == nil && binding.carries(token) && binding.Autoclear {
		binding, err = keepBound(device)
	}
	if err == nil && !binding.carries(token) {
		err = ErrReleased
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("holding loop device %d: %w", number, err), device.Close())
	}
	return func() { _ = device.Close() }, nil
}

// keepBound ends a waiting release and returns what the device shows then.
func keepBound(device *os.File) (*Binding, error) {
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if err == nil {
		info.Flags &^= unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopSetStatus64(int(device.Fd()), info)
	}
	if errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if errors.Is(err, unix.EBUSY) { // mounted, and therefore not released now
		return status(device)
	}
	if err != nil {
		return nil, err
	}
	binding, err := status(device)
	if err == nil && binding != nil && binding.Autoclear {
		err = errors.New("the kernel goes on releasing it")
	}
	return binding, err
}

// LoopsOf takes the devices that are bound from sysfs.
func (l *Linux) LoopsOf(image File, tokenPrefix string) ([]int, error) {
	bound, err := filepath.Glob("/sys/block/loop*/loop")
	if err != nil {
		return nil, fmt.Errorf("listing loop devices: %w", err)
	}
	var numbers []int
	for _, path := range bound {
		number, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "loop"))
		if err != nil {
			continue // not one of the loop driver's names
		}
		binding, err := l.LoopStatus(number)
		if err != nil {
			return nil, err
		}
		if binding != nil && binding.Inode == image.Inode && binding.Device == image.Device && strings.HasPrefix(binding.Token, tokenPrefix) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
