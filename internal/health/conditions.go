// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func controllerAvailable(views map[string]view, s v1alpha1.WorkloadStatus, rows []v1alpha1.SidecarStatus) metav1.Condition {
	v, wanted := views[v1alpha1.ComponentController]
	if len(views) == 0 {
		return nothingDeployed(v1alpha1.ConditionControllerAvailable)
	}
	if !wanted {
		return condition(v1alpha1.ConditionControllerAvailable, true, v1alpha1.ReasonNotWanted, "the driver has no controller")
	}
	counts := fmt.Sprintf("%d of %d controller pods are ready", s.Ready, s.Desired)
	if s.Ready > 0 {
		return condition(v1alpha1.ConditionControllerAvailable, true, v1alpha1.ReasonAvailable, counts)
	}
	cause, fault := v.absence(), v.obstacle() != ""
	if r := firstBad(rows, v1alpha1.ComponentController); r != nil && r.Worst != nil {
		cause = r.Name + ": " + describe(*r.Worst)
		fault = fault || r.State != v1alpha1.SidecarStarting
	}
	return condition(v1alpha1.ConditionControllerAvailable, false, unless(fault, v1alpha1.ReasonUnavailable), counts+"; "+cause)
}

// unless is the reason of what is not as it should be: it starts, or has the given reason
// if there is a fault.
func unless(fault bool, reason string) string {
	if fault {
		return reason
	}
	return v1alpha1.ReasonStarting
}

// nodesRegistered is False as soon as one pool is out of order, and tells of that one.
func nodesRegistered(views map[string]view, pools []pool, all v1alpha1.NodesStatus) metav1.Condition {
	if len(views) == 0 {
		return nothingDeployed(v1alpha1.ConditionNodesRegistered)
	}
	if len(pools) == 0 {
		return condition(v1alpha1.ConditionNodesRegistered, true, v1alpha1.ReasonNotWanted, "the driver runs on no node")
	}
	var told metav1.Condition
	for _, p := range pools {
		c := poolRegistered(p)
		if c.Status != metav1.ConditionTrue {
			return c
		}
		if told.Type == "" || len(p.missing) > 0 {
			told = c
		}
	}
	if len(all.Unregistered) == 0 {
		told.Message = registeredOf(all.Registered, all.Desired)
	}
	if len(all.Stale) > 0 {
		told.Message += "; CSINodes list it where none of its pods is: " + strings.Join(all.Stale, ", ")
	}
	return told
}

// nothingDeployed is for a driver of which nothing is known: its spec cannot be rendered, and
// it never could.
func nothingDeployed(kind string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNothingDeployed, Message: "nothing is deployed yet"}
}

func registeredOf(registered, desired int32) string {
	return fmt.Sprintf("%d of %d nodes have registered the driver", registered, desired)
}

func poolRegistered(p pool) metav1.Condition {
	const kind = v1alpha1.ConditionNodesRegistered
	if !p.known {
		return condition(kind, false, v1alpha1.ReasonStarting, p.absence())
	}
	if p.desired == 0 {
		return condition(kind, false, v1alpha1.ReasonNoNodes, fmt.Sprintf("no node is fit for the pods of %s %q", p.kind, p.name))
	}
	message := registeredOf(p.registered, p.desired)
	missing := p.desired - p.registered
	if missing > 0 && len(p.missing) > 0 {
		named := p.missing[:min(len(p.missing), maxNamed)]
		message += "; not yet: " + strings.Join(named, ", ") + "; " + p.whyUnregistered(named[0])
	}
	if p.registered == 0 || missing > fewNodes(p.desired) {
		return condition(kind, false, unless(p.faulty(), v1alpha1.ReasonUnregistered), message)
	}
	return condition(kind, true, v1alpha1.ReasonRegistered, message)
}

// sidecarsHealthy looks at all rows, of which the spared ones may be short of
// a few nodes.
func sidecarsHealthy(rows, spared []v1alpha1.SidecarStatus) metav1.Condition {
	const kind = v1alpha1.ConditionSidecarsHealthy
	all := len(rows) + len(spared)
	bad := firstBad(rows, "")
	switch {
	case all == 0:
		return condition(kind, false, v1alpha1.ReasonStarting, "no container is there yet")
	case bad == nil && len(spared) == 0:
		return condition(kind, true, v1alpha1.ReasonHealthy, fmt.Sprintf("all %d containers are healthy", all))
	case bad == nil:
		return condition(kind, true, v1alpha1.ReasonHealthy, fmt.Sprintf(
			"all %d containers are healthy but for few nodes; %s of %s: %s", all, spared[0].Name, spared[0].Component, spared[0].Message))
	}
	message := fmt.Sprintf("%s of %s: %s", bad.Name, bad.Component, bad.Message)
	if others := len(rows) - countHealthy(rows) - 1; others > 0 {
		message = fmt.Sprintf("%d containers are not healthy; %s", others+1, message)
	}
	reason := v1alpha1.ReasonUnhealthy
	if bad.State == v1alpha1.SidecarStarting {
		reason = v1alpha1.ReasonStarting
	}
	return condition(kind, false, reason, message)
}

// gravity orders states; SidecarHealthy has none.
func gravity(s v1alpha1.SidecarState) int {
	switch s {
	case v1alpha1.SidecarStarting:
		return 1
	case v1alpha1.SidecarDegraded:
		return 2
	case v1alpha1.SidecarDown:
		return 3
	default:
		return 0
	}
}

// firstBad finds the first of the rows in the gravest state, of one component
// or of all (""); nil if all are healthy.
func firstBad(rows []v1alpha1.SidecarStatus, component string) *v1alpha1.SidecarStatus {
	var bad *v1alpha1.SidecarStatus
	for i := range rows {
		r := &rows[i]
		if component != "" && r.Component != component || gravity(r.State) == 0 {
			continue
		}
		if bad == nil || gravity(r.State) > gravity(bad.State) {
			bad = r
		}
	}
	return bad
}

func condition(kind string, holds bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if holds {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}
