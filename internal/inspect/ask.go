// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"context"
	"errors"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ask asks all questions once. The text of its error is a problem.
func (c *connection) ask(ctx context.Context) (statement, error) {
	if err := c.probe(ctx); err != nil {
		return statement{}, err
	}
	identity := csi.NewIdentityClient(c.client)
	info, err := identity.GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
	if err != nil {
		return statement{}, err
	}
	plugin, err := identity.GetPluginCapabilities(ctx, &csi.GetPluginCapabilitiesRequest{})
	if err != nil {
		return statement{}, err
	}
	found := capabilities{}
	for _, capability := range plugin.GetCapabilities() {
		found.add(identityService, int32(capability.GetService().GetType()), csi.PluginCapability_Service_Type_name)
		found.add(expansionKind, int32(capability.GetVolumeExpansion().GetType()), csi.PluginCapability_VolumeExpansion_Type_name)
	}
	if err := c.askServices(ctx, found); err != nil {
		return statement{}, err
	}
	return statement{name: info.GetName(), version: info.GetVendorVersion(), capabilities: found}, nil
}

// probe returns nil if the driver is ready; one that does not say is.
func (c *connection) probe(ctx context.Context) error {
	reply, err := csi.NewIdentityClient(c.client).Probe(ctx, &csi.ProbeRequest{})
	switch status.Code(err) {
	case codes.OK:
		if reply.GetReady() != nil && !reply.GetReady().GetValue() {
			return unready("")
		}
		return nil
	case codes.FailedPrecondition:
		return unready(status.Convert(err).Message())
	case codes.DeadlineExceeded:
		return silence(c.socket)
	default:
		return err
	}
}

func unready(reason string) error { return errors.New(because("the driver is not ready", reason)) }

// askServices adds the capabilities of the services that the plugin claims, and of
// the node service if this process serves it.
func (c *connection) askServices(ctx context.Context, found capabilities) error {
	if found[hasController] {
		if err := c.askController(ctx, found); err != nil {
			return err
		}
	}
	if found[hasGroupController] {
		if err := c.askGroupController(ctx, found); err != nil {
			return err
		}
	}
	if err := c.askNode(ctx, found); status.Code(err) != codes.Unimplemented {
		return err
	}
	return nil
}

func (c *connection) askController(ctx context.Context, found capabilities) error {
	reply, err := csi.NewControllerClient(c.client).ControllerGetCapabilities(ctx, &csi.ControllerGetCapabilitiesRequest{})
	for _, capability := range reply.GetCapabilities() {
		found.add(controller, int32(capability.GetRpc().GetType()), csi.ControllerServiceCapability_RPC_Type_name)
	}
	return err
}

func (c *connection) askGroupController(ctx context.Context, found capabilities) error {
	client := csi.NewGroupControllerClient(c.client)
	reply, err := client.GroupControllerGetCapabilities(ctx, &csi.GroupControllerGetCapabilitiesRequest{})
	for _, capability := range reply.GetCapabilities() {
		found.add(groupController, int32(capability.GetRpc().GetType()), csi.GroupControllerServiceCapability_RPC_Type_name)
	}
	return err
}

func (c *connection) askNode(ctx context.Context, found capabilities) error {
	reply, err := csi.NewNodeClient(c.client).NodeGetCapabilities(ctx, &csi.NodeGetCapabilitiesRequest{})
	for _, capability := range reply.GetCapabilities() {
		found.add(node, int32(capability.GetRpc().GetType()), csi.NodeServiceCapability_RPC_Type_name)
	}
	return err
}
