// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// Lease is what is known of the Lease by which the containers of a row elect a leader.
type Lease struct {
	// Holder is who renewed it last; empty where nobody ever did, or the last one gave it
	// back.
	Holder string
	// Expired is true where the holder has not renewed it for as long as it lasts.
	Expired bool
}

// leaderOf is the live pod that holds a Lease; empty for none.
func (v view) leaderOf(lease string) string {
	if l := v.leases[lease]; !l.Expired && v.isMember(l.Holder) {
		return l.Holder
	}
	return ""
}

// judgeLease doubts a row whose containers are all ready and elect a leader.
func (v view) judgeLease(row desired.Row) (state v1alpha1.SidecarState, cause string) {
	lease, known := v.leases[row.Lease]
	if !known || v.leaderOf(row.Lease) != "" {
		return v1alpha1.SidecarHealthy, ""
	}
	state = v1alpha1.SidecarStarting
	if v.overdue[leaseKey(row.Lease)] {
		state = v1alpha1.SidecarDown
	}
	switch {
	case lease.Holder == "" && state == v1alpha1.SidecarStarting:
		return state, fmt.Sprintf("none has taken Lease %s yet", row.Lease)
	case lease.Holder == "":
		return state, fmt.Sprintf("none takes Lease %s, without which none works; can they reach the driver, and may their account create and update the Lease?", row.Lease)
	case !v.isMember(lease.Holder):
		return state, fmt.Sprintf("Lease %s is held by %s, which is gone; until another one takes it over, none works", row.Lease, lease.Holder)
	default:
		return state, fmt.Sprintf("%s does not renew Lease %s any more; until another one takes it over, none works", lease.Holder, row.Lease)
	}
}

// leaseKey is the key of a Wait for a leader.
func leaseKey(lease string) string { return "lease/" + lease }

const (
	// untilElected is how long it may take until a first leader is elected, who has found
	// the driver before.
	untilElected = 30 * time.Second
	// takeover is how often others may try until one takes over an expired Lease, each time
	// 1 to 2.2 retry periods after the last one (client-go/tools/leaderelection, JitterFactor):
	// who looked just before the last renewal waits twice that.
	takeover = 2 * 2.2
	// usualRetryPeriod is for rows of which nobody knows it.
	usualRetryPeriod = 5 * time.Second
)

// untilTakenOver is how long it may take until an expired Lease is taken over.
func untilTakenOver(row desired.Row) time.Duration {
	return time.Duration(takeover * float64(cmp.Or(row.RetryPeriod, usualRetryPeriod)))
}

// unled are the rows that have nobody who works, although their containers are ready. As long
// as a Lease has not expired, nobody can take it over.
func unled(rows []desired.Row, views map[string]view) []Wait {
	var waits []Wait
	for _, row := range rows {
		v := views[row.Component]
		lease, known := v.leases[row.Lease]
		if !known || v.leaderOf(row.Lease) != "" {
			continue
		}
		if running, _ := inspect(row.Name, v); !v.known || running < v.desired || lease.Holder != "" && !lease.Expired {
			continue
		}
		patience := untilElected
		if lease.Holder != "" {
			patience = untilTakenOver(row)
		}
		waits = append(waits, Wait{Key: leaseKey(row.Lease), Patience: patience})
	}
	return waits
}

// isMember tells whether a holder is one of the live pods. The name of a holder is that of
// its host: the pod's, cut to 63 characters, or what the pod says, or that of its node.
func (v view) isMember(holder string) bool {
	for i := range v.live {
		if holder != "" && hostName(v.live[i]) == holder {
			return true
		}
	}
	return false
}

// maxHostName is how long kubelet lets the name of a host be.
const maxHostName = 63

func hostName(pod *corev1.Pod) string {
	switch {
	case pod.Spec.HostNetwork:
		return pod.Spec.NodeName
	case pod.Spec.Hostname != "":
		return pod.Spec.Hostname
	case len(pod.Name) > maxHostName:
		return strings.TrimRight(pod.Name[:maxHostName], "-.")
	default:
		return pod.Name
	}
}
