// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Settings are what flags depend on.
type Settings struct {
	// Address is the driver's socket as the container sees it, HostSocket as the
	// node does.
	Address, HostSocket string
	// LogLevel is --v.
	LogLevel int32
	// Timeout of calls; empty for the catalogue's.
	Timeout string
	// Gates are feature gates.
	Gates map[string]bool
	// Alone is true where no leader is elected. The durations of an election are empty
	// for those of the sidecar.
	Alone                                     bool
	LeaseDuration, RenewDeadline, RetryPeriod string
	// Port is where metrics and health are served, on the loopback interface only
	// where Loopback is.
	Port     int32
	Loopback bool
	// PerNode is true for a sidecar beside the node service that usually runs beside
	// the controller service.
	PerNode bool
	// Capacity publishes CSIStorageCapacity objects, which a Deployment or a
	// StatefulSet or DaemonSet owns.
	Capacity bool
	OwnedBy  string
	// DefaultFSType is the file system of claims whose class names none.
	DefaultFSType string
}

// Args are the whole command line of a sidecar.
func (s Sidecar) Args(set Settings) []string {
	host := ""
	if set.Loopback {
		host = "127.0.0.1"
	}
	list := []string{
		"--csi-address=" + set.Address,
		fmt.Sprintf("--http-endpoint=%s:%d", host, set.Port),
		fmt.Sprintf("--v=%d", set.LogLevel),
	}
	if s.Lease != nil {
		list = append(list, s.election(set)...)
	}
	list = append(list, s.own(set)...)
	if len(set.Gates) > 0 {
		list = append(list, "--feature-gates="+gates(set.Gates))
	}
	return list
}

func gates(set map[string]bool) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		list = append(list, fmt.Sprintf("%s=%t", name, set[name]))
	}
	return strings.Join(list, ",")
}

// election are the flags of a sidecar that may run several times and works once.
//
// The retry interval of a failed call doubles up to a maximum; upstream's five
// minutes make a claim wait that long after the driver or a node came back, and
// one call a minute for a volume costs a driver nothing.
func (s Sidecar) election(set Settings) []string {
	var list []string
	if !set.Alone && !set.PerNode {
		list = append(list, "--leader-election", "--leader-election-namespace=$("+podNamespace+")")
		list = append(list, given("--leader-election-lease-duration", set.LeaseDuration)...)
		list = append(list, given("--leader-election-renew-deadline", set.RenewDeadline)...)
		list = append(list, given("--leader-election-retry-period", set.RetryPeriod)...)
	}
	if s.Role == HealthMonitor {
		return list // it calls at intervals and does not try again
	}
	return append(list, "--retry-interval-max=1m")
}

// given is a flag if it has a value.
func given(flag, value string) []string {
	if value == "" {
		return nil
	}
	return []string{flag + "=" + value}
}

// Names of the environment that flags refer to or that sidecars read by themselves.
const (
	podNamespace = "POD_NAMESPACE"
	podName      = "POD_NAME"
	namespace    = "NAMESPACE"
	nodeName     = "NODE_NAME"
)

// Env is what a sidecar of this command line reads: what it refers to, and what it would
// end without.
func (s Sidecar) Env(args []string) []corev1.EnvVar {
	var list []corev1.EnvVar
	refersToNamespace := func(arg string) bool { return strings.Contains(arg, "$("+podNamespace+")") }
	if slices.ContainsFunc(args, refersToNamespace) {
		list = append(list, PodField(podNamespace, "metadata.namespace"))
	}
	if on(args, "enable-capacity", false) {
		list = append(list, PodField(namespace, "metadata.namespace"), PodField(podName, "metadata.name"))
	}
	if on(args, "node-deployment", false) {
		list = append(list, PodField(nodeName, "spec.nodeName"))
	}
	return list
}

// on tells whether a boolean flag is set, or is unless it is denied.
func on(args []string, flag string, unasked bool) bool {
	value, given := Flag(args, flag)
	if !given {
		return unasked
	}
	return value != "false"
}

// PodField is a variable with a field of the pod.
func PodField(name, path string) corev1.EnvVar {
	return corev1.EnvVar{
		Name: name,
		ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
		},
	}
}
