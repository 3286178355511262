// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// runVariable makes the test binary be the driver.
const runVariable = "TEST_DRIVER_RUN"

const driverName = "test.csi.example.org"

func TestMain(m *testing.M) {
	if os.Getenv(runVariable) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a driver that runs.
type process struct {
	t        *testing.T
	command  *exec.Cmd
	stderr   bytes.Buffer // whole after wait
	ended    bool
	endpoint string
}

// start runs a driver whose data is in a directory. It is stopped with the test,
// and has to end well, unless the test waits for its end.
func start(t *testing.T, data string, flags ...string) *process {
	t.Helper()
	p := &process{t: t, endpoint: "unix://" + filepath.Join(t.TempDir(), "csi.sock")}
	p.command = command(t, append([]string{"--driver-name=" + driverName, "--data-dir=" + data, "--endpoint=" + p.endpoint}, flags...)...)
	p.command.Stderr = &p.stderr
	must(t, p.command.Start())
	t.Cleanup(func() {
		if !p.ended {
			p.stop()
		}
		if t.Failed() {
			t.Logf("log of %q:\n%s", flags, p.stderr.String())
		}
	})
	return p
}

func command(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := exec.Command(self, flags...)
	c.Env = append(os.Environ(), runVariable+"=1", "CSI_ENDPOINT=")
	return c
}

// stop expects a good end.
func (p *process) stop() {
	p.t.Helper()
	must(p.t, p.command.Process.Signal(syscall.SIGTERM))
	if code := p.wait(); code != 0 {
		p.t.Errorf("the driver ended with code %d", code)
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	p.ended = true
	err := p.command.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.command.ProcessState.ExitCode()
}

// dial connects to the driver, whose socket may take a moment.
func (p *process) dial() *grpc.ClientConn {
	p.t.Helper()
	conn, err := grpc.NewClient(p.endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
			MinConnectTimeout: 10 * time.Second,
		}))
	must(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root: mounts")
	}
}

// must fails at once.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
