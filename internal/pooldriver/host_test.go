// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver_test

import (
	"net"
	"os"
	"testing"
	"time"
)

// requireRoot fails instead of skipping: these tests are worth nothing unless
// they run.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root: loop devices and mounts")
	}
}

// must fails at once.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awaitSocket returns when somebody serves the socket.
func awaitSocket(t *testing.T, path string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			must(t, conn.Close())
			return
		}
		select {
		case <-deadline:
			t.Fatalf("nobody serves %q: %v", path, err)
		case <-tick.C:
		}
	}
}
