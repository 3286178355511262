// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"fmt"
	"maps"
	"slices"
)

// Prefixes of capabilities: the service that serves them.
const (
	identityService = "Identity/"
	expansionKind   = "Identity/VOLUME_EXPANSION_"
	controller      = "Controller/"
	groupController = "GroupController/"
	node            = "Node/"
)

// Capabilities of a plugin that say which further services to ask.
const (
	hasController      = identityService + "CONTROLLER_SERVICE"
	hasGroupController = identityService + "GROUP_CONTROLLER_SERVICE"
)

// maxCapabilities is more than CSI knows, and one more does not fit into an answer:
// each takes 16 bytes or more of MaxSize.
const maxCapabilities = 256

// removed are capabilities of older specifications whose numbers are reserved
// now: drivers and sidecars in use know them still.
var removed = map[string]map[int32]string{
	controller: {11: "VOLUME_CONDITION"},
	node:       {4: "VOLUME_CONDITION"},
}

// capabilities is a set of <Service>/<NAME>.
type capabilities map[string]bool

// add adds the capability of a number that names knows, or the number itself.
// Zero says nothing. The set takes one more than the limit, which makes an answer
// too large, and drops the rest.
func (c capabilities) add(prefix string, number int32, names map[int32]string) {
	if number == 0 || len(c) > maxCapabilities {
		return
	}
	name, known := names[number]
	if !known {
		name, known = removed[prefix][number]
	}
	if !known {
		name = fmt.Sprintf("UNKNOWN_%d", number)
	}
	c[prefix+name] = true
}

func (c capabilities) list() []string { return slices.Sorted(maps.Keys(c)) }
