// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Wait is for something that others do within a moment, or never.
type Wait struct {
	// Key tells it from others.
	Key string
	// Patience is how long it may last until something must be wrong.
	Patience time.Duration
}

// untilListed is how long it may take until kubelet has registered a driver whose pod is
// ready: the registrar looks for the driver first.
const untilListed = 20 * time.Second

// IsOverdue tells whether a row says of a wait that it has lasted too long.
func IsOverdue(s v1alpha1.SidecarStatus, key string) bool {
	if key == leaseKey(s.Lease) {
		return s.State == v1alpha1.SidecarDown && s.Leader == "" && s.Ready >= s.Desired
	}
	return s.Name == sidecar.RegistrarContainer && s.Worst != nil && s.Worst.Reason == reasonNotRegistered && s.Worst.ExitCode == nil
}

// Waits are all that last now. Assess is to know in Overdue which of them do for too long.
func Waits(driver string, components []desired.Component, rows []desired.Row, o Observed) []Wait {
	views, known := viewsOf(driver, components, rows, o)
	var waits []Wait
	for _, c := range components {
		if c.Registers {
			waits = append(waits, unlistedPods(views[c.Name], known)...)
		}
	}
	return append(waits, unled(rows, views)...)
}

// unlistedPods are ready, and kubelet does not seem to know that they bring the driver: that
// is for ever where they look for kubelet in a wrong place.
func unlistedPods(v view, known registry) []Wait {
	var waits []Wait
	for i := range v.live {
		node := nodeOf(v.live[i])
		if podReady(v.live[i]) && known[node] == unlisted && !isGone(node, v.uids) {
			waits = append(waits, Wait{Key: string(v.live[i].UID), Patience: untilListed})
		}
	}
	return waits
}
