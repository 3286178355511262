// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMissingNode makes the device node that a container's /dev lacks, and refuses
// what somebody put in its place.
func TestMissingNode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root: device nodes")
	}
	number, err := NewLinux().FreeLoop()
	if err != nil {
		t.Fatal(err)
	}
	host := &Linux{devices: t.TempDir()}
	if _, err := host.LoopStatus(number); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(host.LoopPath(number), &stat); err != nil {
		t.Fatal(err)
	}
	if got, ok := deviceLoop(stat); !ok || got != number {
		t.Errorf("made a node of device %d (loop: %t), want %d", got, ok, number)
	}

	for name, put := range map[string]func(path string) error{
		"File":        func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"OtherDevice": func(path string) error { return unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(loopMajor, 63))) },
		"Link":        func(path string) error { return os.Symlink("/dev/null", path) },
	} {
		t.Run(name, func(t *testing.T) {
			host := &Linux{devices: t.TempDir()}
			if err := put(host.LoopPath(number)); err != nil {
				t.Fatal(err)
			}
			if _, err := host.LoopStatus(number); err == nil {
				t.Error("used it")
			} else if name == "File" && !strings.Contains(err.Error(), "is not loop device") {
				t.Errorf("got %v", err)
			}
		})
	}
}
