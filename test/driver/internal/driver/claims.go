// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// Capabilities that the driver itself looks at.
const (
	controllerService = "Identity/CONTROLLER_SERVICE"
	groupService      = "Identity/GROUP_CONTROLLER_SERVICE"
	topology          = "Identity/VOLUME_ACCESSIBILITY_CONSTRAINTS"
	createVolume      = "Controller/CREATE_DELETE_VOLUME"
	publishVolume     = "Controller/PUBLISH_UNPUBLISH_VOLUME"
	expandVolume      = "Controller/EXPAND_VOLUME"
	createSnapshot    = "Controller/CREATE_DELETE_SNAPSHOT"
	cloneVolume       = "Controller/CLONE_VOLUME"
	modifyVolume      = "Controller/MODIFY_VOLUME"
	groupSnapshot     = "GroupController/CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT"
	stageVolume       = "Node/STAGE_UNSTAGE_VOLUME"
	nodeExpandVolume  = "Node/EXPAND_VOLUME"
)

// numbers has all capabilities, as Service/NAME, with the numbers that the CSI
// specification gives them.
var numbers = tabulate()

func tabulate() map[string]int32 {
	// The bindings have only reserved these numbers since CSI 1.13.
	all := map[string]int32{"Controller/VOLUME_CONDITION": 11, "Node/VOLUME_CONDITION": 4}
	for service, values := range map[string]map[string]int32{
		"Identity":        csi.PluginCapability_Service_Type_value,
		"Controller":      csi.ControllerServiceCapability_RPC_Type_value,
		"GroupController": csi.GroupControllerServiceCapability_RPC_Type_value,
		"Node":            csi.NodeServiceCapability_RPC_Type_value,
	} {
		for name, number := range values {
			if number != 0 { // UNKNOWN
				all[service+"/"+name] = number
			}
		}
	}
	return all
}

// Claims are the capabilities that the driver reports. It can report what it does
// not implement.
type Claims map[string]bool

func defaultClaims() Claims {
	return Claims{
		controllerService: true, createVolume: true, publishVolume: true, expandVolume: true,
		createSnapshot: true, cloneVolume: true, stageVolume: true,
	}
}

// String lists the claims as Set takes them.
func (c Claims) String() string {
	return strings.Join(slices.Sorted(maps.Keys(c)), ",")
}

// Set replaces the claims. Its error lists all names that are unknown, and all
// that there are.
func (c *Claims) Set(list string) error {
	*c = Claims{}
	var unknown []string
	for name := range strings.SplitSeq(list, ",") {
		_, known := numbers[name]
		switch {
		case known:
			(*c)[name] = true
		case name != "":
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		all := slices.Sorted(maps.Keys(numbers))
		return fmt.Errorf("unknown capabilities: %s; there are: %s", strings.Join(unknown, ", "), strings.Join(all, ", "))
	}
	return nil
}

// of returns the numbers of what is claimed of a service, sorted.
func (c Claims) of(service string) []int32 {
	var claimed []int32
	for name := range c {
		if strings.HasPrefix(name, service+"/") {
			claimed = append(claimed, numbers[name])
		}
	}
	slices.Sort(claimed)
	return claimed
}
