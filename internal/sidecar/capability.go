// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"
	"strings"
)

// Capabilities are what a driver reports, as <Service>/<NAME> with the names of the CSI
// specification.
type Capabilities map[string]bool

// Capabilities that decide something.
const (
	ControllerService      = "Identity/CONTROLLER_SERVICE"
	GroupControllerService = "Identity/GROUP_CONTROLLER_SERVICE"
	AccessibleTopology     = "Identity/VOLUME_ACCESSIBILITY_CONSTRAINTS"
	CreateVolume           = "Controller/CREATE_DELETE_VOLUME"
	PublishVolume          = "Controller/PUBLISH_UNPUBLISH_VOLUME"
	ListVolumes            = "Controller/LIST_VOLUMES"
	GetVolume              = "Controller/GET_VOLUME"
	GetCapacity            = "Controller/GET_CAPACITY"
	CreateSnapshot         = "Controller/CREATE_DELETE_SNAPSHOT"
	ControllerExpand       = "Controller/EXPAND_VOLUME"
	ModifyVolume           = "Controller/MODIFY_VOLUME"
	VolumeCondition        = "Controller/VOLUME_CONDITION"
	GetVolumeHealth        = "Controller/GET_VOLUME_HEALTH"
	NodeExpand             = "Node/EXPAND_VOLUME"
	GroupSnapshot          = "GroupController/CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT"
)

// services are the names of the CSI specification 1.13 by service, and
// VOLUME_CONDITION, which drivers of older ones report.
func services() map[string][]string {
	return map[string][]string{
		"Identity": {
			"CONTROLLER_SERVICE", "GROUP_CONTROLLER_SERVICE", "SNAPSHOT_ACCESSIBILITY_CONSTRAINTS", "SNAPSHOT_METADATA_SERVICE",
			"VOLUME_ACCESSIBILITY_CONSTRAINTS", "VOLUME_EXPANSION_OFFLINE", "VOLUME_EXPANSION_ONLINE",
		},
		"Controller": {
			"CLONE_VOLUME", "CREATE_DELETE_SNAPSHOT", "CREATE_DELETE_VOLUME", "EXPAND_VOLUME", "GET_CAPACITY", "GET_SNAPSHOT",
			"GET_VOLUME", "GET_VOLUME_HEALTH", "LIST_SNAPSHOTS", "LIST_VOLUMES", "LIST_VOLUMES_PUBLISHED_NODES",
			"LIST_VOLUME_HEALTH", "MODIFY_VOLUME", "PUBLISH_READONLY", "PUBLISH_UNPUBLISH_VOLUME",
			"SINGLE_NODE_MULTI_WRITER", "VOLUME_CONDITION",
		},
		"GroupController": {"CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT"},
		"Node": {
			"EXPAND_VOLUME", "GET_STORAGE_HEALTH", "GET_VOLUME_HEALTH", "GET_VOLUME_STATS", "SINGLE_NODE_MULTI_WRITER",
			"STAGE_UNSTAGE_VOLUME", "VOLUME_CONDITION", "VOLUME_MOUNT_GROUP",
		},
	}
}

// KnownCapabilities are all names, sorted.
func KnownCapabilities() []string {
	var all []string
	for service, names := range services() {
		for _, name := range names {
			all = append(all, service+"/"+name)
		}
	}
	slices.Sort(all)
	return all
}

// NewCapabilities makes a set. Who has a call of the controller has the service.
func NewCapabilities(names ...string) Capabilities {
	c := Capabilities{}
	for _, name := range names {
		c[name] = true
		if strings.HasPrefix(name, "Controller/") {
			c[ControllerService] = true
		}
	}
	return c
}

// Any tells whether one of the given ones is reported.
func (c Capabilities) Any(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return c[n] })
}

// Implied are the least capabilities by which containers of these names would be chosen.
func Implied(containers []string) []string {
	names := map[Role][]string{
		Provisioner: {CreateVolume}, Attacher: {PublishVolume}, Resizer: {ControllerExpand},
		Snapshotter: {CreateSnapshot}, HealthMonitor: {ListVolumes, VolumeCondition, GetVolumeHealth},
	}
	var implied []string
	for _, s := range Catalogue() {
		if slices.Contains(containers, s.Name) {
			implied = append(implied, names[s.Role]...)
		}
	}
	return implied
}
