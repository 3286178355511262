// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package standin has what the stand-ins for node-driver-registrar and
// livenessprobe do. They speak the same protocols as the originals and take the
// same flags, and are for the local cluster only.
package standin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// maxRedial is the longest time between two attempts to reach the driver.
const maxRedial = time.Second

// Driver is a CSI driver at a socket. It need not listen yet, and may go and
// come back.
type Driver struct {
	connection *grpc.ClientConn
	identity   csi.IdentityClient
}

// NewDriver returns the driver at address, a path with or without unix://.
func NewDriver(address string) (*Driver, error) {
	path := strings.TrimPrefix(address, "unix://")
	if path == "" {
		return nil, fmt.Errorf("%q is no address of a CSI driver: --csi-address must name its socket", address)
	}
	delays := backoff.DefaultConfig
	delays.BaseDelay, delays.MaxDelay = maxRedial/10, maxRedial
	connection, err := grpc.NewClient("unix:"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: delays, MinConnectTimeout: maxRedial}),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return nil, fmt.Errorf("connecting to the CSI driver at %q: %w", path, err)
	}
	return &Driver{connection: connection, identity: csi.NewIdentityClient(connection)}, nil
}

// Close gives the connection up.
func (d *Driver) Close() error { return d.connection.Close() }

// Name returns the driver's name. It waits for the driver until ctx ends.
func (d *Driver) Name(ctx context.Context) (string, error) {
	info, err := d.identity.GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
	if err != nil {
		return "", fmt.Errorf("asking the CSI driver for its name: %w", err)
	}
	if info.GetName() == "" {
		return "", errors.New("asking the CSI driver for its name: it has none")
	}
	return info.GetName(), nil
}

// Probe returns nil if the driver says that it is ready. A driver that does not
// say is ready.
func (d *Driver) Probe(ctx context.Context) error {
	response, err := d.identity.Probe(ctx, &csi.ProbeRequest{})
	if err != nil {
		return fmt.Errorf("probing the CSI driver: %w", err)
	}
	if ready := response.GetReady(); ready != nil && !ready.GetValue() {
		return errors.New("probing the CSI driver: it is not ready")
	}
	return nil
}
