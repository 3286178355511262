// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"slices"
	"strings"
)

// electsLeader says whether a sidecar takes a leader Lease.
func electsLeader(c Container) bool { return c.Args["--leader-election"] > 0 }

// leases are the leader Leases that the sidecars of w take, as they stand
// behind a right. namespace is that of the pods.
func leases(w Workload, driverName, namespace string) []string {
	var list []string
	for role, container := range w.Containers {
		prefix, elected := leasePrefix(role)
		if !elected || !electsLeader(container) {
			continue
		}
		list = append(list, named(leaseName(prefix+driverName))+in(electionNamespace(container, namespace)))
	}
	slices.Sort(list)
	return list
}

func leasePrefix(role string) (prefix string, elected bool) {
	prefix, elected = map[string]string{
		attacher:      "external-attacher-leader-",
		healthMonitor: "external-health-monitor-leader-",
		provisioner:   "",
		resizer:       "external-resizer-",
		snapshotter:   "external-snapshotter-leader-",
	}[role]
	return prefix, elected
}

// leaseName is what the sidecars' election library makes of a name.
func leaseName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
	if strings.HasSuffix(name, "-") {
		return name + "X"
	}
	return name
}

// electionNamespace is where a sidecar takes its Lease: where its flag says,
// else beside its pod.
func electionNamespace(c Container, namespace string) string {
	for arg := range c.Args {
		given, found := strings.CutPrefix(arg, "--leader-election-namespace=")
		if found && given != namespace && given != "<fieldRef:metadata.namespace>" {
			return given
		}
	}
	return ownNamespace
}
