// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mounttest

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Sweep unmounts everything below a directory, releases every loop device that
// shows a file below it, and returns what there was. It is for the end of tests
// with real devices, so that a failed one leaves nothing either.
func Sweep(dir string) []string {
	var left []string
	entries, _ := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	for i := len(entries) - 1; i >= 0; i-- {
		left = append(left, entries[i].Mountpoint)
		_ = unix.Unmount(entries[i].Mountpoint, unix.MNT_DETACH)
	}
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range files {
		image, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(image), dir+"/") {
			continue
		}
		device := filepath.Join("/dev", strings.Split(file, "/")[3])
		left = append(left, device)
		if f, err := os.Open(device); err == nil {
			_, _ = unix.IoctlRetInt(int(f.Fd()), unix.LOOP_CLR_FD)
			_ = f.Close()
		}
	}
	return left
}
