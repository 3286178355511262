// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// Lease is what is known of the Lease by which the containers of a row elect a leader.
type Lease struct {
	// Holder is who renewed it last; empty where nobody ever did, or the last one gave it
	// back.
	Holder string
	// Lapsed is true where nobody has held it for so long that somebody else would have
	// taken it over.
	Lapsed bool
}

// leaderOf is the live pod that holds a Lease; empty for none.
func (v view) leaderOf(lease string) string {
	if l := v.leases[lease]; !l.Lapsed && v.isMember(l.Holder) {
		return l.Holder
	}
	return ""
}

// judgeLease doubts a row whose containers are all ready and elect a leader.
func (v view) judgeLease(s *v1alpha1.SidecarStatus) (state v1alpha1.SidecarState, cause string) {
	lease, known := v.leases[s.Lease]
	if s.Lease == "" || !known {
		return v1alpha1.SidecarHealthy, ""
	}
	switch {
	case s.Leader != "":
		return v1alpha1.SidecarHealthy, ""
	case lease.Holder == "" && lease.Lapsed:
		return v1alpha1.SidecarDown, fmt.Sprintf("none takes Lease %s, without which none of them works; may their account create and update it?", s.Lease)
	case lease.Holder == "":
		return v1alpha1.SidecarStarting, fmt.Sprintf("none has taken Lease %s yet", s.Lease)
	case lease.Lapsed:
		return v1alpha1.SidecarDown, fmt.Sprintf("%s does not renew Lease %s any more, and no other takes it over; none of them works", lease.Holder, s.Lease)
	default:
		return v1alpha1.SidecarStarting, fmt.Sprintf("Lease %s is still held by %s, which is gone; another one takes it over when it expires", s.Lease, lease.Holder)
	}
}

// isMember tells whether a holder is one of the live pods. The name of a holder is that of
// its host: the pod's, cut to 63 characters, or what the pod says, or that of its node.
func (v view) isMember(holder string) bool {
	for i := range v.live {
		if holder != "" && hostName(&v.live[i]) == holder {
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
