// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// edge is how much of a device's start and end, in bytes, must be zero for it to
// be blank.
const edge = 1 << 20

// Exit codes of blkid -p and e2fsck.
const (
	blkidFound      = 0
	blkidNothing    = 2
	blkidAmbivalent = 8
	fsckUncorrected = 4
	fsckFailed      = 8
)

// Inspect asks blkid and, since blkid does not know everything, looks itself.
func (l *Linux) Inspect(ctx context.Context, device string) (Content, error) {
	result, err := run(ctx, "blkid", "-p", "-o", "export", "-s", "TYPE", "-s", "PTTYPE", device)
	if err != nil {
		return Content{}, err
	}
	switch result.exit {
	case blkidFound, blkidAmbivalent:
		return identified(result.stdout), nil
	case blkidNothing:
		blank, err := zeroEdges(device)
		return Content{Blank: blank}, err
	default:
		return Content{}, fmt.Errorf("inspecting %q: blkid: exit code %d: %s", device, result.exit, result.output)
	}
}

// identified reads blkid's KEY=value lines.
func identified(export string) Content {
	found := Content{}
	for line := range strings.Lines(export) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "TYPE":
			return Content{Filesystem: value}
		case "PTTYPE":
			found.Filesystem = value + " partition table"
		}
	}
	return found
}

func zeroEdges(device string) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, fmt.Errorf("inspecting device: %w", err)
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, fmt.Errorf("inspecting %q: %w", device, err)
	}
	if size == 0 {
		return false, nil
	}
	buffer := make([]byte, min(edge, size))
	zero := make([]byte, len(buffer))
	for _, offset := range []int64{0, size - int64(len(buffer))} {
		if _, err := f.ReadAt(buffer, offset); err != nil {
			return false, fmt.Errorf("inspecting %q at byte %d: %w", device, offset, err)
		}
		if !bytes.Equal(buffer, zero) {
			return false, nil
		}
	}
	return true, nil
}

// Format passes no force flag, so that the tools' own guards stand too. Blocks
// are not discarded: a blank image has none.
func (l *Linux) Format(ctx context.Context, device, fsType string) error {
	content, err := l.Inspect(ctx, device)
	if err != nil {
		return err
	}
	if !content.Blank {
		return fmt.Errorf("formatting %q: %w", device, ErrNotBlank)
	}
	switch fsType {
	case Ext4:
		err = must(ctx, "mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-e", "remount-ro", "-E", "nodiscard", device)
	case XFS:
		err = must(ctx, "mkfs.xfs", "-q", "-K", "-s", "size=4096", device)
	default:
		err = fmt.Errorf("no tool makes file system %q", fsType)
	}
	if err != nil {
		return fmt.Errorf("formatting %q: %w", device, err)
	}
	return syncDevice(device)
}

func syncDevice(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("flushing device: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flushing %q: %w", device, err)
	}
	return nil
}

// Check runs e2fsck; XFS recovers its log when it is mounted.
func (l *Linux) Check(ctx context.Context, device, fsType string, depth Depth) error {
	if err := unused(device); err != nil {
		return err
	}
	if fsType != Ext4 {
		return nil
	}
	switch depth {
	case Thorough:
		return checkExt4(ctx, device, "-f", "-p")
	case Mending:
		return checkExt4(ctx, device, "-f", "-y")
	default:
		return checkExt4(ctx, device, "-p")
	}
}

func checkExt4(ctx context.Context, device string, flags ...string) error {
	result, err := run(ctx, "e2fsck", append(flags, device)...)
	switch {
	case err != nil:
		return err
	case result.exit >= fsckFailed:
		return fmt.Errorf("checking %q: e2fsck: exit code %d: %s", device, result.exit, result.output)
	case result.exit&fsckUncorrected != 0:
		return fmt.Errorf("checking %q: %w: run e2fsck on the image: %s", device, ErrUnclean, result.output)
	}
	return nil
}

// unused returns ErrBusy for a device that is mounted, in whatever namespace.
func unused(device string) error {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("checking %q: already mounted: %w", device, ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("checking device: %w", err)
	}
	return f.Close()
}

// Usage counts blocks reserved for root as neither used nor available.
func (l *Linux) Usage(path string) (Usage, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return Usage{}, fmt.Errorf("reading the usage of %q: %w", path, err)
	}
	block := stat.Bsize
	return Usage{
		TotalBytes:      int64(stat.Blocks) * block,
		UsedBytes:       int64(stat.Blocks-stat.Bfree) * block,
		AvailableBytes:  int64(stat.Bavail) * block,
		TotalInodes:     int64(stat.Files),
		UsedInodes:      int64(stat.Files - stat.Ffree),
		AvailableInodes: int64(stat.Ffree),
	}, nil
}

// DeviceSize opens the device, which may be in use.
func (l *Linux) DeviceSize(device string) (int64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, fmt.Errorf("reading the size of a device: %w", err)
	}
	defer func() { _ = f.Close() }()
	size, err := deviceSize(f)
	if err != nil {
		return 0, fmt.Errorf("reading the size of %q: %w", device, err)
	}
	return size, nil
}
