// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

// identity is a driver with a name and nothing else.
type identity struct {
	csi.UnimplementedIdentityServer
}

func (identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: "driver.example.org", VendorVersion: "v1"}, nil
}

func (identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// serve starts the driver until the test ends.
func serve(t *testing.T, socket string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, identity{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serving: %v", err)
		}
	})
}

// TestTheWholeCommand tells of a driver that is not there, then what it answers, and
// ends in order when it is asked to.
func TestTheWholeCommand(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	kubeconfig, writes := apiServer(t)
	args := []string{
		"--csi-address=" + socket, "--config-map=answers", "--key=k", "--patience=100ms", "--kubeconfig=" + kubeconfig,
	}
	environment := map[string]string{"POD_NAMESPACE": "ns"}
	var stdout, stderr strings.Builder
	code := make(chan int)
	go func() { code <- start(args, func(k string) string { return environment[k] }, &stdout, &stderr) }()

	wantWrite(t, writes, inspect.Answer{Key: "k", Problem: "the driver does not answer at the socket " + socket})
	serve(t, socket)
	wantWrite(t, writes, inspect.Answer{Key: "k", Driver: "driver.example.org", Version: "v1"})
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := await(t, code); got != 0 {
		t.Errorf("exit code %d, want 0; the log:\n%s", got, stderr.String())
	}
	if stdout.String() != "" {
		t.Errorf("stdout has %q", stdout.String())
	}
}
