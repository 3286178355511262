// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ResizeLoop opens the image first: a network file system then asks its server
// for the size.
func (l *Linux) ResizeLoop(number int, image string, size int64) error {
	backing, err := openImage(image, true)
	if err != nil {
		return err
	}
	defer func() { _ = backing.Close() }()
	device, err := l.openLoop(number, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }()
	if err := l.resize(number, device, backing, size); err != nil {
		return fmt.Errorf("letting loop device %d show %d bytes of %q: %w", number, size, image, err)
	}
	return nil
}

// resize asks nothing of the kernel for a device that is as it should be, and never
// takes the end away from a file system that is mounted.
func (l *Linux) resize(number int, device, backing *os.File, size int64) error {
	limit, err := sizeLimit(backing, size)
	if err != nil {
		return err
	}
	shown, err := deviceSize(device)
	if err != nil || shown == size {
		return err
	}
	if shown > size {
		if err := l.unmounted(number); err != nil {
			return err
		}
	}
	if err := setLimit(device, limit); err != nil {
		return err
	}
	return showOnly(device, size)
}

// unmounted opens a device exclusively, which the kernel refuses for a mounted one.
func (l *Linux) unmounted(number int) error {
	device, err := l.openLoop(number, os.O_RDONLY|unix.O_EXCL)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("the device is larger, and mounted: %w", ErrBusy)
	}
	if err != nil {
		return err
	}
	return device.Close()
}

// sizeLimit is 0, for none, where the image ends after size bytes: kernels before
// 5.19, and from 6.19 on, change no limit of a device in use, and without one it can
// grow all the same.
func sizeLimit(backing *os.File, size int64) (uint64, error) {
	info, err := backing.Stat()
	switch {
	case err != nil:
		return 0, err
	case info.Size() < size:
		return 0, fmt.Errorf("the image has %d bytes of %d", info.Size(), size)
	case info.Size() == size:
		return 0, nil
	}
	return uint64(size), nil
}

// setLimit also lets the device see that its image has grown.
func setLimit(device *os.File, limit uint64) error {
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if err != nil {
		return err
	}
	if info.Sizelimit == limit {
		return unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0)
	}
	info.Sizelimit = limit
	err = unix.IoctlLoopSetStatus64(int(device.Fd()), info)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("this kernel changes the size limit of no device in use: %w", ErrBusy)
	}
	return err
}

// showOnly sets a limit after all if the image has grown past size since somebody
// looked.
func showOnly(device *os.File, size int64) error {
	shown, err := deviceSize(device)
	if err != nil || shown == size {
		return err
	}
	if shown < size {
		return fmt.Errorf("the device shows %d bytes only", shown)
	}
	return setLimit(device, uint64(size))
}

// deviceSize seeks, which block devices answer with their size.
func deviceSize(device *os.File) (int64, error) { return device.Seek(0, io.SeekEnd) }
