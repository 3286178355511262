// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	testKey = "key-1"
	// soon is far less than any test waits, never is far more.
	soon  = 10 * time.Millisecond
	never = time.Hour
	// deadline is when a test that waits gives up.
	deadline = 20 * time.Second
)

// driver is a CSI driver that says what a test gives it. A service without an
// answer is not served.
type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedGroupControllerServer
	csi.UnimplementedNodeServer

	name, version string
	ready         func(context.Context) (*csi.ProbeResponse, error) // nil: an empty response
	infoErr       error
	services      []int32 // of the plugin
	expansions    []int32 // of the plugin
	controller    []int32
	group         []int32
	node          []int32
	nodeErr       error
	nodeAsked     chan<- struct{} // nil: nobody wants to know
}

// full is a driver that can a bit of everything.
func full() *driver {
	return &driver{
		name: "driver.example.org", version: "v1.2.3",
		services: []int32{3, 1, 2}, expansions: []int32{2, 1},
		controller: []int32{2, 1, 1, 9}, group: []int32{1}, node: []int32{6, 1},
	}
}

func fullAnswer() Answer {
	return Answer{
		Key: testKey, Driver: "driver.example.org", Version: "v1.2.3",
		Capabilities: []string{
			"Controller/CREATE_DELETE_VOLUME", "Controller/EXPAND_VOLUME", "Controller/PUBLISH_UNPUBLISH_VOLUME",
			"GroupController/CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT",
			"Identity/CONTROLLER_SERVICE", "Identity/GROUP_CONTROLLER_SERVICE", "Identity/VOLUME_ACCESSIBILITY_CONSTRAINTS",
			"Identity/VOLUME_EXPANSION_OFFLINE", "Identity/VOLUME_EXPANSION_ONLINE",
			"Node/STAGE_UNSTAGE_VOLUME", "Node/VOLUME_MOUNT_GROUP",
		},
	}
}

func (d *driver) Probe(ctx context.Context, _ *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	if d.ready == nil {
		return &csi.ProbeResponse{}, nil
	}
	return d.ready(ctx)
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: d.version}, d.infoErr
}

func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	reply := &csi.GetPluginCapabilitiesResponse{}
	for _, number := range d.services {
		reply.Capabilities = append(reply.Capabilities, &csi.PluginCapability{Type: &csi.PluginCapability_Service_{
			Service: &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_Type(number)},
		}})
	}
	for _, number := range d.expansions {
		reply.Capabilities = append(reply.Capabilities, &csi.PluginCapability{Type: &csi.PluginCapability_VolumeExpansion_{
			VolumeExpansion: &csi.PluginCapability_VolumeExpansion{Type: csi.PluginCapability_VolumeExpansion_Type(number)},
		}})
	}
	return reply, nil
}

func (d *driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	if d.controller == nil {
		return nil, status.Error(codes.Unimplemented, "no controller")
	}
	reply := &csi.ControllerGetCapabilitiesResponse{}
	for _, number := range d.controller {
		reply.Capabilities = append(reply.Capabilities, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{
			Rpc: &csi.ControllerServiceCapability_RPC{Type: csi.ControllerServiceCapability_RPC_Type(number)},
		}})
	}
	return reply, nil
}

func (d *driver) GroupControllerGetCapabilities(context.Context, *csi.GroupControllerGetCapabilitiesRequest) (*csi.GroupControllerGetCapabilitiesResponse, error) {
	if d.group == nil {
		return nil, status.Error(codes.Unimplemented, "no group controller")
	}
	reply := &csi.GroupControllerGetCapabilitiesResponse{}
	for _, number := range d.group {
		reply.Capabilities = append(reply.Capabilities, &csi.GroupControllerServiceCapability{Type: &csi.GroupControllerServiceCapability_Rpc{
			Rpc: &csi.GroupControllerServiceCapability_RPC{Type: csi.GroupControllerServiceCapability_RPC_Type(number)},
		}})
	}
	return reply, nil
}

func (d *driver) NodeGetCapabilities(ctx context.Context, _ *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	if d.nodeAsked != nil {
		select {
		case d.nodeAsked <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if d.node == nil && d.nodeErr == nil {
		return nil, status.Error(codes.Unimplemented, "no node service")
	}
	reply := &csi.NodeGetCapabilitiesResponse{}
	for _, number := range d.node {
		reply.Capabilities = append(reply.Capabilities, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{
			Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_Type(number)},
		}})
	}
	return reply, d.nodeErr
}

// serve starts a driver at a socket. The returned function is its crash; it comes
// at the end of the test at the latest.
func serve(t *testing.T, socket string, d *driver) (crash func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	csi.RegisterGroupControllerServer(server, d)
	csi.RegisterNodeServer(server, d)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stopped := false
	crash = func() {
		if stopped {
			return
		}
		stopped = true
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serving: %v", err)
		}
	}
	t.Cleanup(crash)
	return crash
}

// socketPath is short enough for the kernel.
func socketPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "s")
}

// impatient returns an inspector that tries often and has this patience.
func impatient(socket string, patience time.Duration) *Inspector {
	i := New(socket, testKey, patience, slog.New(slog.DiscardHandler))
	i.interval = soon
	return i
}

// listen runs an inspector until the test ends, and returns what it tells.
func listen(t *testing.T, i *Inspector) <-chan Answer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan Answer, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.Run(ctx, func(a Answer) { told <- a })
	}()
	t.Cleanup(func() {
		cancel()
		await(t, done, "the inspector's end")
	})
	return told
}

// await returns what comes next.
func await[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(deadline):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// wantNext fails unless the next answer is the wanted one.
func wantNext(t *testing.T, told <-chan Answer, want Answer) {
	t.Helper()
	if diff := cmp.Diff(want, await(t, told, "an answer")); diff != "" {
		t.Fatalf("-want, +got:\n%s", diff)
	}
}

// wantSoon fails unless the wanted answer comes; others may come before it.
func wantSoon(t *testing.T, told <-chan Answer, want Answer) {
	t.Helper()
	diff := "nothing came"
	for giveUp := time.After(deadline); diff != ""; {
		select {
		case got := <-told:
			diff = cmp.Diff(want, got)
		case <-giveUp:
			t.Fatalf("waited in vain; the last was -want, +got:\n%s", diff)
		}
	}
}

func problem(text string) Answer { return Answer{Key: testKey, Problem: text} }

// says makes a Probe that always says the same.
func says(reply *csi.ProbeResponse, err error) func(context.Context) (*csi.ProbeResponse, error) {
	return func(context.Context) (*csi.ProbeResponse, error) { return reply, err }
}

// signal tells, once or more often, that something happened.
func signal(happened chan<- struct{}) {
	select {
	case happened <- struct{}{}:
	default:
	}
}
