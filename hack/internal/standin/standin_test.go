// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/wrapperspb"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// fakeDriver answers as the fields say; nil ready is no answer about it.
type fakeDriver struct {
	csi.UnimplementedIdentityServer

	name  string
	ready *wrapperspb.BoolValue
	err   error
}

func (f *fakeDriver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: f.name, VendorVersion: "1"}, nil
}

func (f *fakeDriver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: f.ready}, f.err
}

// serve serves the driver at a new socket until the test ends or stop is called.
func (f *fakeDriver) serve(t *testing.T) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "csi.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return socket, server.Stop
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// await calls f until it returns true.
func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// running is a registrar at work.
type running struct {
	socket string
	kill   context.CancelFunc // what SIGTERM does
	result chan error
}

func register(t *testing.T, dir string) running {
	t.Helper()
	socket, _ := (&fakeDriver{name: "disk.example.org"}).serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := running{socket: filepath.Join(dir, "disk.example.org-reg.sock"), kill: cancel, result: make(chan error, 1)}
	config := RegistrarConfig{CSIAddress: socket, KubeletPath: "/kubelet/csi.sock", RegistrationDir: dir}
	go func() { r.result <- Register(ctx, config, silent()) }()
	await(t, "the registration socket", func() bool {
		connection, err := net.Dial("unix", r.socket)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return r
}

// kubelet returns the registrar's socket as the kubelet uses it.
func (r running) kubelet(t *testing.T) registration.RegistrationClient {
	t.Helper()
	connection, err := grpc.NewClient("unix:"+r.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return registration.NewRegistrationClient(connection)
}

func TestRegistrarTellsWhereTheDriverIs(t *testing.T) {
	r := register(t, t.TempDir())
	got, err := r.kubelet(t).GetInfo(t.Context(), &registration.InfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := &registration.PluginInfo{
		Type: "CSIPlugin", Name: "disk.example.org", Endpoint: "/kubelet/csi.sock", SupportedVersions: []string{"1.0.0"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestRegistrarsSocketIsPrivateAndGoesWithIt(t *testing.T) {
	r := register(t, t.TempDir())
	info, err := os.Lstat(r.socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the socket has mode %v", info.Mode().Perm())
	}
	r.kill()
	if err := <-r.result; err != nil {
		t.Errorf("told to end, it ended with %v", err)
	}
	if _, err := os.Lstat(r.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestRegistrarReplacesAStaleSocket(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "disk.example.org-reg.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	r := register(t, dir)
	if _, err := r.kubelet(t).GetInfo(t.Context(), &registration.InfoRequest{}); err != nil {
		t.Error(err)
	}
}

func TestRegistrarSparesWhatIsNoSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.example.org-reg.sock")
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, _ := (&fakeDriver{name: "disk.example.org"}).serve(t)
	err := Register(t.Context(), RegistrarConfig{CSIAddress: socket, KubeletPath: "/k", RegistrationDir: dir}, silent())
	if err == nil {
		t.Error("no error")
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "kept" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}

func TestRegistrarEndsWhenItIsRefused(t *testing.T) {
	r := register(t, t.TempDir())
	status := &registration.RegistrationStatus{PluginRegistered: true}
	if _, err := r.kubelet(t).NotifyRegistrationStatus(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.result:
		t.Fatalf("registered, it ended with %v", err)
	default:
	}
	status = &registration.RegistrationStatus{Error: "topology value collision"}
	if _, err := r.kubelet(t).NotifyRegistrationStatus(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	if err := <-r.result; !errors.Is(err, errRejected) {
		t.Errorf("error %v, want %v", err, errRejected)
	}
}

func TestRegistrarConfig(t *testing.T) {
	good := RegistrarConfig{CSIAddress: "/csi/csi.sock", KubeletPath: "/k/csi.sock", RegistrationDir: "/registration"}
	cases := map[string]struct {
		change func(*RegistrarConfig)
		bad    bool
	}{
		"Whole":             {change: func(*RegistrarConfig) {}},
		"NoKubeletPath":     {change: func(c *RegistrarConfig) { c.KubeletPath = "" }, bad: true},
		"NoAddress":         {change: func(c *RegistrarConfig) { c.CSIAddress = "" }, bad: true},
		"NoRegistrationDir": {change: func(c *RegistrarConfig) { c.RegistrationDir = "" }, bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			config := good
			tc.change(&config)
			if err := config.Validate(); (err != nil) != tc.bad {
				t.Errorf("error %v, wanted one: %t", err, tc.bad)
			}
		})
	}
}

// get returns the status and the body of /healthz.
func get(t *testing.T, handler http.Handler) (status int, body string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", http.NoBody)
	handler.ServeHTTP(recorder, request)
	content, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Code, string(content)
}

func TestRegistrarsHealthIsItsSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "reg.sock")
	if status, body := get(t, socketHandler(socket)); status != http.StatusNotFound {
		t.Errorf("without a socket: %d %s", status, body)
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, socketHandler(socket)); status != http.StatusOK || body != "ok" {
		t.Errorf("with a socket: %d %s", status, body)
	}
}

func TestProbe(t *testing.T) {
	cases := map[string]struct {
		driver fakeDriver
		want   int
	}{
		"Ready":    {driver: fakeDriver{ready: wrapperspb.Bool(true)}, want: http.StatusOK},
		"Unsaid":   {want: http.StatusOK},
		"NotReady": {driver: fakeDriver{ready: wrapperspb.Bool(false)}, want: http.StatusInternalServerError},
		"Error":    {driver: fakeDriver{err: errors.New("broken")}, want: http.StatusInternalServerError},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			socket, _ := tc.driver.serve(t)
			driver, err := NewDriver("unix://" + socket)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = driver.Close() })
			if got, body := get(t, probeHandler(driver, 10*time.Second, silent())); got != tc.want {
				t.Errorf("got %d %s, want %d", got, body, tc.want)
			}
		})
	}
}

func TestADeadDriverIsNotHealthy(t *testing.T) {
	socket, stop := (&fakeDriver{name: "disk.example.org"}).serve(t)
	driver, err := NewDriver(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	handler := probeHandler(driver, 200*time.Millisecond, silent())
	await(t, "a healthy driver", func() bool { status, _ := get(t, handler); return status == http.StatusOK })
	stop()
	if status, body := get(t, handler); status != http.StatusInternalServerError {
		t.Errorf("got %d %s", status, body)
	}
}

func TestLivenessServes(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	socket, _ := (&fakeDriver{name: "disk.example.org"}).serve(t)
	config := LivenessConfig{CSIAddress: socket, ProbeTimeout: 10 * time.Second, HTTPEndpoint: address}
	go func() { result <- ProbeLiveness(ctx, config, silent()) }()
	await(t, "an answer", func() bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	})
	cancel()
	if err := <-result; err != nil {
		t.Errorf("told to end, it ended with %v", err)
	}
}
