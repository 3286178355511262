// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
	"github.com/csi-operator/csi-operator/internal/pool"
)

// TestListen takes over a dead socket and nothing else.
func TestListen(t *testing.T) {
	for name, test := range map[string]struct {
		before func(t *testing.T, path string)
		want   string // in the error; empty: listens
	}{
		"Nothing":     {func(*testing.T, string) {}, ""},
		"DeadSocket":  {leaveSocket, ""},
		"LiveSocket":  {func(t *testing.T, path string) { t.Cleanup(closer(t, openSocket(t, path))) }, "another process serves"},
		"File":        {func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) }, "not a socket"},
		"Directory":   {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "not a socket"},
		"Link":        {func(t *testing.T, path string) { must(t, os.Symlink("/dev/null", path)) }, "not a socket"},
		"NoDirectory": {func(t *testing.T, path string) { must(t, os.Remove(filepath.Dir(path))) }, "listening"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "d", "csi.sock")
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			test.before(t, path)
			listener, err := listen(t.Context(), "unix://"+path)
			if test.want == "" {
				must(t, err)
				must(t, listener.Close())
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}

func openSocket(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	return listener
}

// leaveSocket is what a killed process leaves.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	listener := openSocket(t, path)
	listener.SetUnlinkOnClose(false)
	must(t, listener.Close())
}

func closer(t *testing.T, listener net.Listener) func() {
	return func() { must(t, listener.Close()) }
}

// TestRun serves, and finishes the call that is at work when it is stopped.
func TestRun(t *testing.T) {
	r := newRig(t)
	config := r.config("node-a")
	config.Controller = true
	host := &slow{Host: mounttest.New(), entered: make(chan struct{}), leave: make(chan struct{})}
	driver, err := New(config, host, logr.Discard())
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- driver.Run(ctx) }()

	conn, err := grpc.NewClient(config.Endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond},
			MinConnectTimeout: 10 * time.Second,
		}))
	must(t, err)
	defer func() { _ = conn.Close() }()
	info, err := csi.NewIdentityClient(conn).GetPluginInfo(t.Context(), &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
	must(t, err)
	if info.GetName() != testDriver || info.GetVendorVersion() == "" {
		t.Errorf("got %v", info)
	}
	call := make(chan error, 1)
	go func() {
		_, err := csi.NewNodeClient(conn).NodeUnpublishVolume(context.WithoutCancel(t.Context()), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: "/no/such/target"})
		call <- err
	}()
	<-host.entered
	stop()
	close(host.leave)
	must(t, <-call)
	must(t, <-stopped)
	if _, err := os.Lstat(strings.TrimPrefix(config.Endpoint, "unix://")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// slow is a host whose Unmount waits.
type slow struct {
	*mounttest.Host

	entered, leave chan struct{}
}

func (h *slow) Unmount(path string) error {
	close(h.entered)
	<-h.leave
	return h.Host.Unmount(path)
}

// TestInterceptors logs a call without its secrets and survives a panic.
func TestInterceptors(t *testing.T) {
	var lines []string
	log := funcr.NewJSON(func(line string) { lines = append(lines, line) }, funcr.Options{Verbosity: 1})
	call := func(method string, handler grpc.UnaryHandler) error {
		req := &csi.NodeStageVolumeRequest{VolumeId: "the-volume", Secrets: map[string]string{"key": "hidden-value"}}
		info := &grpc.UnaryServerInfo{FullMethod: method}
		_, err := logCalls(log)(t.Context(), req, info, func(ctx context.Context, req any) (any, error) {
			return recoverPanics(ctx, req, info, handler)
		})
		return err
	}
	must(t, call("/csi.v1.Node/NodeStageVolume", func(context.Context, any) (any, error) { return nil, nil }))
	wantCode(t, call("/csi.v1.Node/NodeStageVolume", func(context.Context, any) (any, error) { return nil, invalid("wrong") }), codes.InvalidArgument)
	wantError(t, call("/csi.v1.Node/NodeStageVolume", func(context.Context, any) (any, error) { panic("broken") }), codes.Aborted, "broken")
	wantError(t, call("/csi.v1.Node/NodeUnstageVolume", func(context.Context, any) (any, error) { panic("broken") }), codes.Internal, "broken")

	all := strings.Join(lines, "\n")
	for _, want := range []string{"the-volume", "NodeStageVolume", "InvalidArgument", "wrong", "Handler panicked", "recoverPanics"} {
		if !strings.Contains(all, want) {
			t.Errorf("the log lacks %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "hidden-value") {
		t.Errorf("the log has a secret:\n%s", all)
	}
}

// TestGRPCError maps each cause, however deep it is wrapped.
func TestGRPCError(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"Nil":        {nil, codes.OK, ""},
		"Unknown":    {errors.New("disk on fire"), codes.Internal, "disk on fire"},
		"Status":     {invalid("field"), codes.InvalidArgument, "field"},
		"WrappedOne": {fmt.Errorf("staging: %w", precondition("why")), codes.FailedPrecondition, "why"},
		"NotFound":   {fmt.Errorf("getting: %w", pool.ErrNotFound), codes.NotFound, "getting"},
		"BadID":      {pool.ErrInvalidID, codes.NotFound, ""},
		"Node":       {pool.ErrNodeUnknown, codes.NotFound, "mount the shared file system"},
		"Conflict":   {pool.ErrConflict, codes.AlreadyExists, ""},
		"Space":      {pool.ErrNoSpace, codes.ResourceExhausted, "delete volumes"},
		"Range":      {pool.ErrRange, codes.OutOfRange, ""},
		"Request":    {pool.ErrInvalidRequest, codes.InvalidArgument, ""},
		"Race":       {pool.ErrBusy, codes.Aborted, ""},
		"Staged":     {&pool.HeldError{VolumeID: "v", Node: "n", Err: pool.ErrStaged}, codes.FailedPrecondition, "bring that node back"},
		"Granted":    {&pool.HeldError{VolumeID: "v", Node: "n", Err: pool.ErrGranted}, codes.FailedPrecondition, `"n"`},
		"InUse":      {&pool.HeldError{VolumeID: "v", Node: "n", Err: pool.ErrInUse}, codes.FailedPrecondition, "unstage"},
		"NotGranted": {pool.ErrNotGranted, codes.FailedPrecondition, "ControllerPublishVolume"},
		"NoPool":     {pool.ErrNoPool, codes.FailedPrecondition, "mount the shared file system"},
		"Foreign":    {pool.ErrForeignPool, codes.FailedPrecondition, "choose another path"},
		"Newer":      {pool.ErrFormat, codes.FailedPrecondition, "upgrade"},
		"Corrupt":    {pool.ErrCorrupt, codes.Internal, ""},
		"Option":     {mount.ErrOption, codes.InvalidArgument, ""},
		"MountBusy":  {mount.ErrBusy, codes.FailedPrecondition, ""},
		"Unclean":    {mount.ErrUnclean, codes.FailedPrecondition, ""},
		"NotBlank":   {mount.ErrNotBlank, codes.FailedPrecondition, ""},
		"NotLoop":    {mount.ErrNotLoop, codes.FailedPrecondition, "by hand"},
		"Deadline":   {fmt.Errorf("running: %w", context.DeadlineExceeded), codes.DeadlineExceeded, ""},
		"Canceled":   {context.Canceled, codes.Canceled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := grpcError(test.err)
			wantError(t, got, test.code, test.text)
			if test.err != nil && !strings.Contains(status.Convert(got).Message(), status.Convert(test.err).Message()) {
				t.Errorf("%q lost its cause %q", got, test.err)
			}
		})
	}
}

// TestCapabilities claims exactly what is implemented.
func TestCapabilities(t *testing.T) {
	r := newRig(t)
	got := make([]string, 0, 16)
	plugin, err := (&identity{}).GetPluginCapabilities(t.Context(), nil)
	must(t, err)
	for _, c := range plugin.GetCapabilities() {
		got = append(got, c.String())
	}
	control, err := r.controller.ControllerGetCapabilities(t.Context(), nil)
	must(t, err)
	for _, c := range control.GetCapabilities() {
		got = append(got, c.GetRpc().GetType().String())
	}
	onNode, err := r.node("node-a", mounttest.New()).NodeGetCapabilities(t.Context(), nil)
	must(t, err)
	for _, c := range onNode.GetCapabilities() {
		got = append(got, c.GetRpc().GetType().String())
	}
	want := []string{
		"CONTROLLER_SERVICE", "VOLUME_ACCESSIBILITY_CONSTRAINTS", "ONLINE",
		"CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME", "EXPAND_VOLUME",
		"STAGE_UNSTAGE_VOLUME", "EXPAND_VOLUME", "GET_VOLUME_STATS",
	}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}
