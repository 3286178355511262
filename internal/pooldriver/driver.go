// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pooldriver is the CSI face of a pool: thin Identity, Controller and
// Node services that check requests, call packages pool and mount, and turn
// their errors into gRPC codes.
package pooldriver

import (
	"context"
	"fmt"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/go-logr/logr"
	"google.golang.org/grpc"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// Driver serves the CSI services that its configuration names.
type Driver struct {
	config   Config
	log      logr.Logger
	pools    *source
	register func(*grpc.Server)
}

// New returns a driver that is ready to run. The host is used by the node service
// only. The error says what is wrong with the configuration, or that the
// directory for the node's records cannot be used. The pool need not be there yet.
func New(config Config, host mount.Host, log logr.Logger) (*Driver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	var instance string
	if config.Node {
		if err := os.MkdirAll(config.StateDir, 0o700); err != nil {
			return nil, fmt.Errorf("making --state-dir: %w", err)
		}
		var err error
		if instance, err = loadInstance(config.StateDir); err != nil {
			return nil, err
		}
	}
	pools := &source{path: config.PoolPath, driver: config.DriverName, create: config.Controller}
	register := func(server *grpc.Server) {
		csi.RegisterIdentityServer(server, &identity{name: config.DriverName, pools: pools})
		if config.Controller {
			csi.RegisterControllerServer(server, newController(config, pools))
		}
		if config.Node {
			csi.RegisterNodeServer(server, newNode(config, instance, pools, host))
		}
	}
	return &Driver{config: config, log: log, pools: pools, register: register}, nil
}

// Run serves until the context ends, then lets calls finish for a while. The
// error is nil after an orderly stop. A pool that cannot be made is only
// logged: every call tries again, and says why it cannot be served.
func (d *Driver) Run(ctx context.Context) error {
	listener, err := listen(ctx, d.config.Endpoint)
	if err != nil {
		return err
	}
	d.makePool()
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(logCalls(d.log), recoverPanics))
	d.register(server)
	d.log.Info("Serving", "endpoint", d.config.Endpoint, "driver", d.config.DriverName, "pool", d.config.PoolPath,
		"controller", d.config.Controller, "node", d.config.Node)
	return serve(ctx, server, listener)
}

// makePool lets the controller make the pool before the first call: the nodes wait
// for it. A node does not look, so that a file system that hangs keeps nobody from
// unmounting volumes.
func (d *Driver) makePool() {
	if !d.config.Controller {
		return
	}
	if err := d.pools.check(); err != nil {
		d.log.Info("There is no pool yet", "reason", err.Error())
	}
}
