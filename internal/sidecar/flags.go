// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Endpoint is where a container with a command line serves health: the port, and the
// host if it is this one only. 0: nowhere.
func (s Sidecar) Endpoint(args []string) (host string, port int32) {
	address, given := Flag(args, "http-endpoint")
	if !given {
		address, given = Flag(args, "health-port")
		address = ":" + address
	}
	if !given && s.Role == LivenessProbe {
		return "", DriverHealthPort // which it listens on unasked
	}
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0
	}
	parsed, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return "", 0
	}
	if host != "localhost" && !net.ParseIP(host).IsLoopback() {
		host = "" // of the pod, by whatever name
	}
	return host, int32(parsed)
}

// Flag is the value of a flag in a command line, "true" for one without a value; the
// last one counts.
func Flag(args []string, name string) (value string, given bool) {
	for _, arg := range args {
		flag, v, hasValue := strings.Cut(arg, "=")
		if strings.TrimLeft(flag, "-") != name || flag == name {
			continue
		}
		value, given = v, true
		if !hasValue {
			value = "true"
		}
	}
	return value, given
}

// Liveness is the probe of a container that serves health at an endpoint; nil if it has
// no health of its own.
//
// A sidecar that elects fails once a leader could not renew its Lease for long; a
// follower always passes. One failure is enough there: the answer changes only after
// 35 seconds without renewal, and the process should have ended long before.
func (s Sidecar) Liveness(args []string) *corev1.Probe {
	host, port := s.Endpoint(args)
	path := s.HealthPath
	if port == 0 || path == "" {
		return nil
	}
	p := &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Host: host, Path: path, Port: intstr.FromInt32(port)},
		},
		InitialDelaySeconds: 10,
		TimeoutSeconds:      10,
		PeriodSeconds:       20,
	}
	if s.Lease == nil {
		return p
	}
	if elects, _ := Flag(args, "leader-election"); elects != "true" {
		return nil // there is nothing else that the endpoint could tell
	}
	p.FailureThreshold = 1
	return p
}

// leaderHealth is where a sidecar that elects tells how its election goes.
const leaderHealth = "/healthz/leader-election"

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
