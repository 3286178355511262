// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package driver is a CSI driver for tests of whatever deploys CSI drivers: its
// volumes are folders that are bind-mounted, and flags say what it claims to be
// able to do and how it fails.
package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

// stopTimeout is how long calls have to finish after the context ended.
const stopTimeout = 2 * time.Second

// Run serves until the context ends, or returns ErrCrash when the driver's
// behaviour says so.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	current, err := o.now()
	if err != nil {
		return err
	}
	if current == CrashAtStart {
		return fmt.Errorf("%w: at the start", ErrCrash)
	}
	data, err := store.Open(o.DataDir)
	if err != nil {
		return err
	}
	if o.Node {
		if err := data.AddNode(o.NodeID); err != nil {
			return err
		}
	}
	listener, err := listen(ctx, o.Endpoint)
	if err != nil {
		return err
	}
	crashed := make(chan string, 1)
	server := o.server(data, log, crashed)
	log.Info("Serving", "driver", o.DriverName, "endpoint", o.Endpoint, "capabilities", o.Claims.String())
	return serve(ctx, server, listener, crashed)
}

// server returns a server of all services; what it has not is refused by RPC.
func (o Options) server(data *store.Store, log *slog.Logger, crashed chan<- string) *grpc.Server {
	crash := func(method string) {
		select {
		case crashed <- method:
		default: // another call did it
		}
	}
	server := grpc.NewServer(
		grpc.WaitForHandlers(true), // so that nothing is logged after the end
		grpc.ChainUnaryInterceptor(logCalls(log), o.behave(crash), o.enforce),
	)
	csi.RegisterIdentityServer(server, &identity{options: o})
	csi.RegisterControllerServer(server, &controller{options: o, store: data})
	csi.RegisterGroupControllerServer(server, &groupController{options: o, store: data})
	csi.RegisterNodeServer(server, &node{options: o, store: data})
	return server
}

// listen takes over the socket of a process that is gone.
func listen(ctx context.Context, endpoint string) (net.Listener, error) {
	path := strings.TrimPrefix(endpoint, endpointScheme)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing an old socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

func serve(ctx context.Context, server *grpc.Server, listener net.Listener, crashed <-chan string) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case method := <-crashed:
		server.Stop()
		return fmt.Errorf("%w: at %s", ErrCrash, method)
	case <-ctx.Done():
	}
	force := time.AfterFunc(stopTimeout, server.Stop) // calls may hang
	defer force.Stop()
	server.GracefulStop()
	return <-failed
}

func logCalls(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		start := time.Now()
		reply, err := handler(ctx, req)
		outcome := status.Convert(err)
		log.Info("Call", "method", info.FullMethod, "duration", time.Since(start).String(),
			"code", outcome.Code().String(), "message", outcome.Message())
		return reply, err
	}
}
