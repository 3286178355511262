// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// common are the flags that every sidecar takes.
func common(port int32, more ...string) []string {
	return append([]string{
		"--csi-address=" + SocketPath,
		"--http-endpoint=:" + strconv.Itoa(int(port)),
		"--v=2",
	}, more...)
}

// elected are the flags of a sidecar that may run several times and works once.
//
// The retry interval of a failed call doubles up to a maximum; upstream's five
// minutes make a claim wait that long after the pool or a node came back, and
// one call a minute for a volume costs a driver nothing.
func elected(port int32, more ...string) []string {
	return append(common(port,
		"--leader-election",
		"--leader-election-namespace=$("+podNamespace+")",
		"--retry-interval-max=1m",
	), more...)
}

const podNamespace = "POD_NAMESPACE"

// electionEnv is what the flags of elected refer to.
func electionEnv() []corev1.EnvVar {
	return []corev1.EnvVar{{
		Name: podNamespace,
		ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
		},
	}}
}

// leaderProbe fails once a leader could not renew its Lease for long; a
// follower always passes. One failure is enough: the answer changes only after
// 35 seconds without renewal, and the process should have ended long before.
func leaderProbe(port int32) *corev1.Probe {
	p := httpProbe(port, "/healthz/leader-election")
	p.FailureThreshold = 1
	return p
}

// httpProbe asks a port of the container.
func httpProbe(port int32, path string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)},
		},
		InitialDelaySeconds: 10,
		TimeoutSeconds:      10,
		PeriodSeconds:       20,
	}
}

// leaseName is the name that the sidecars' election library gives to a Lease:
// a driver called a.b and one called a-b share it.
func leaseName(prefix, driver string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, prefix+driver)
	if strings.HasSuffix(name, "-") {
		return name + "X"
	}
	return name
}

// allow is a rule for one resource.
func allow(group, resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}

// API groups of the rules.
const (
	core    = ""
	storage = "storage.k8s.io"
)
