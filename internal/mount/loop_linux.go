// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	loopMajor = 7
	// unbindWait is how long a device may stay open by others, such as a udev that
	// looks at each new device, before it counts as in use.
	unbindWait = 3 * time.Second
	unbindPoll = 20 * time.Millisecond
)

// LoopPath is the path of the device node.
func (l *Linux) LoopPath(number int) string { return l.devices + "/loop" + strconv.Itoa(number) }

// FreeLoop asks the kernel for an unbound device.
func (l *Linux) FreeLoop() (int, error) {
	control, err := os.OpenFile(l.devices+"/loop-control", os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("opening the loop control device: %w; the node plugin must be privileged and the kernel must have the loop driver", err)
	}
	defer func() { _ = control.Close() }()
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return 0, fmt.Errorf("asking for a free loop device: %w", err)
	}
	return number, nil
}

// BindLoop configures a device in one step, so that nobody ever sees it half-bound.
func (l *Linux) BindLoop(number int, image string, size int64, b Binding) error {
	if len(b.Token) > MaxToken {
		return fmt.Errorf("binding %q: token %q is longer than %d bytes", image, b.Token, MaxToken)
	}
	device, err := l.openLoop(number, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }()
	backing, err := openImage(image, b.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { _ = backing.Close() }()

	err = configure(device, backing, size, b)
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENXIO) {
		err = ErrLoopTaken
	} else if err == nil {
		err = showOnly(device, size)
	}
	if err != nil {
		return fmt.Errorf("binding %q to loop device %d: %w", image, number, err)
	}
	return nil
}

func configure(device, backing *os.File, size int64, b Binding) error {
	limit, err := sizeLimit(backing, size)
	if err != nil {
		return err
	}
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Size: SectorSize}
	config.Info.Sizelimit = limit
	config.Info.Flags = unix.LO_FLAGS_DIRECT_IO
	if b.ReadOnly {
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	copy(config.Info.File_name[:], b.Token)
	err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
	if errors.Is(err, unix.EINVAL) { // kernels that refuse direct I/O instead of leaving it out
		config.Info.Flags &^= unix.LO_FLAGS_DIRECT_IO
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
	}
	return err
}

// LoopStatus reads a device's binding; a missing device is unbound.
func (l *Linux) LoopStatus(number int) (*Binding, error) {
	device, err := l.openLoop(number, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = device.Close() }()
	return status(device)
}

// UnbindLoop refuses a mounted device and outlives short openers.
func (l *Linux) UnbindLoop(ctx context.Context, number int, token string) error {
	binding, err := l.LoopStatus(number)
	if err != nil || !binding.carries(token) {
		return err
	}
	if err := l.clearLoop(number, token); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, unbindWait)
	defer cancel()
	tick := time.NewTicker(unbindPoll)
	defer tick.Stop()
	for {
		binding, err := l.LoopStatus(number)
		if err != nil || !binding.carries(token) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("loop device %d is still open in another process: %w", number, ErrBusy)
		case <-tick.C:
		}
	}
}

// clearLoop opens the device exclusively, which no mount namespace can hide from:
// the kernel refuses it for a mounted device. Nor does the kernel release what is
// open, so that the device still carries the token that was seen when it is cleared.
func (l *Linux) clearLoop(number int, token string) error {
	device, err := l.openLoop(number, os.O_RDONLY|unix.O_EXCL)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("loop device %d is mounted, perhaps in another mount namespace: %w", number, ErrBusy)
	}
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }()
	binding, err := status(device)
	if err != nil || !binding.carries(token) {
		return err
	}
	_, err = unix.IoctlRetInt(int(device.Fd()), unix.LOOP_CLR_FD)
	if err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("releasing loop device %d: %w", number, err)
	}
	return nil
}

// carries tells whether a device is bound under a token.
func (b *Binding) carries(token string) bool { return b != nil && b.Token == token }

// openLoop makes the device node if this mount namespace lacks it and refuses
// whatever else stands at its path.
func (l *Linux) openLoop(number, flags int) (*os.File, error) {
	path := l.LoopPath(number)
	if err := l.ensureNode(path, number); err != nil {
		return nil, err
	}
	device, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening loop device: %w", err)
	}
	if n, ok := loopNumber(device); !ok || n != number {
		return nil, errors.Join(fmt.Errorf("%q is not loop device %d; remove it and repeat", path, number), device.Close())
	}
	return device, nil
}

func (l *Linux) ensureNode(path string, number int) error {
	_, err := os.Lstat(path)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	device := int(unix.Mkdev(loopMajor, uint32(number)))
	if err := unix.Mknod(path, unix.S_IFBLK|0o600, device); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("making device node %q: %w", path, err)
	}
	return nil
}

// loopNumber tells which loop device an open file is, if any.
func loopNumber(f *os.File) (int, bool) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return 0, false
	}
	return deviceLoop(stat)
}

func deviceLoop(stat unix.Stat_t) (int, bool) {
	isLoop := stat.Mode&unix.S_IFMT == unix.S_IFBLK && unix.Major(stat.Rdev) == loopMajor
	return int(unix.Minor(stat.Rdev)), isLoop
}

func status(device *os.File) (*Binding, error) {
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the status of %q: %w", device.Name(), err)
	}
	return &Binding{
		Token:     unix.ByteSliceToString(info.File_name[:]),
		ReadOnly:  info.Flags&unix.LO_FLAGS_READ_ONLY != 0,
		Autoclear: info.Flags&unix.LO_FLAGS_AUTOCLEAR != 0,
		Direct:    info.Flags&unix.LO_FLAGS_DIRECT_IO != 0,
		Inode:     info.Inode,
		Device:    info.Device,
	}, nil
}
