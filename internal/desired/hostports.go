// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// Pods in the network of the node need ports that nobody else has there. Each driver
// has a slot of its own, chosen by a hash, below those that Kubernetes and Linux hand out:
// one half for the controller, one for the node pools, which never share a node.
const (
	firstHostPort = 22000
	hostPortSlots = 500
	portsPerPart  = 8
)

// hostPort is the port of the sidecar at a place of the catalogue.
func hostPort(driver, component string, at int) int32 {
	sum := sha256.Sum256([]byte(driver))
	part := 2 * (binary.BigEndian.Uint32(sum[:4]) % hostPortSlots)
	if component != v1alpha1.ComponentController {
		part++
	}
	return firstHostPort + int32(part)*portsPerPart + int32(at) //nolint:gosec // all three are small
}

// ports are those that a part's pods take on their nodes.
func (p part) ports() []v1alpha1.HostPort {
	var list []v1alpha1.HostPort
	for _, c := range p.template.Spec.Containers {
		for _, number := range p.hostPortsOf(c) {
			list = append(list, v1alpha1.HostPort{Component: p.component, Container: c.Name, Port: number})
		}
	}
	return list
}

func (p part) hostPortsOf(c corev1.Container) []int32 {
	var numbers []int32
	for _, declared := range c.Ports {
		switch {
		case declared.HostPort != 0:
			numbers = append(numbers, declared.HostPort)
		case p.template.Spec.HostNetwork:
			numbers = append(numbers, declared.ContainerPort)
		}
	}
	for _, s := range p.sidecars {
		if s.Name == c.Name && p.template.Spec.HostNetwork {
			if _, number := s.Endpoint(s.args); number != 0 {
				numbers = append(numbers, number)
			}
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
