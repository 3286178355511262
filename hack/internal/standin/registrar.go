// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// connectTimeout is how long a registrar waits for the driver to listen.
const connectTimeout = 30 * time.Second

// RegistrarConfig is how a registrar was called.
type RegistrarConfig struct {
	// CSIAddress is the driver's socket, as the registrar sees it.
	CSIAddress string
	// KubeletPath is the driver's socket, as the kubelet sees it.
	KubeletPath string
	// RegistrationDir is the folder in which the kubelet looks for plugins.
	RegistrationDir string
	// HTTPEndpoint is where /healthz is served; empty is nowhere.
	HTTPEndpoint string
}

// Validate returns an error if the registrar cannot work so.
func (c RegistrarConfig) Validate() error {
	switch {
	case c.KubeletPath == "":
		return errors.New("--kubelet-registration-path is required: the driver's socket as the kubelet sees it")
	case c.CSIAddress == "":
		return errors.New("--csi-address is required")
	case c.RegistrationDir == "":
		return errors.New("--plugin-registration-path is required")
	}
	return nil
}

// errRejected is the kubelet's refusal of the driver.
var errRejected = errors.New("the kubelet has refused the driver")

// Register offers the driver to the kubelet until ctx ends, which is no error.
// It is one if the driver does not answer or if the kubelet refuses it.
func Register(ctx context.Context, c RegistrarConfig, log *slog.Logger) error {
	name, err := driverName(ctx, c.CSIAddress)
	if err != nil {
		return err
	}
	socket := filepath.Join(c.RegistrationDir, name+"-reg.sock")
	listener, err := listenPrivately(ctx, socket)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // it removes the socket as well
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, &registrar{
		info: &registration.PluginInfo{
			Type: registration.CSIPlugin, Name: name, Endpoint: c.KubeletPath, SupportedVersions: []string{"1.0.0"},
		},
		refuse: cancel, log: log,
	})
	go func() { cancel(server.Serve(listener)) }()
	if c.HTTPEndpoint != "" {
		go func() { cancel(Serve(ctx, c.HTTPEndpoint, socketHandler(socket))) }()
	}
	log.Info("Offering the driver to the kubelet", "driver", name, "socket", socket)
	<-ctx.Done()
	server.GracefulStop()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func driverName(ctx context.Context, address string) (string, error) {
	driver, err := NewDriver(address)
	if err != nil {
		return "", err
	}
	defer func() { _ = driver.Close() }()
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return driver.Name(ctx)
}

// listenPrivately listens at a socket that its owner alone can use. One that is
// there is what a killed registrar has left.
func listenPrivately(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%q is in the way and is no socket: remove it", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing a stale socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for the kubelet: %w", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("protecting %q: %w", path, err), listener.Close())
	}
	return listener, nil
}

// registrar answers the kubelet.
type registrar struct {
	registration.UnimplementedRegistrationServer

	info   *registration.PluginInfo
	refuse context.CancelCauseFunc
	log    *slog.Logger
}

func (r *registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return r.info, nil
}

func (r *registrar) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if status.GetPluginRegistered() {
		r.log.Info("The kubelet has registered the driver", "driver", r.info.GetName())
	} else {
		r.refuse(fmt.Errorf("%w: %s", errRejected, status.GetError()))
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// socketHandler tells at /healthz whether the registrar's own socket is there.
func socketHandler(socket string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, err := os.Lstat(socket)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			http.Error(w, "registration socket does not exist", http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			writeOK(w)
		}
	})
	return mux
}
