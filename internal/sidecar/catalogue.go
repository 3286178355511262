// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sidecar is the catalogue of the CSI sidecar containers.
//
// Each sidecar is a value in a file of its own: image, flags, port, probe, the
// capability that makes it needed and the rights it needs. Nothing outside that file
// knows a flag of it. A new sidecar is one file and its name in Catalogue.
package sidecar

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Placement is the service that a sidecar runs beside.
type Placement string

const (
	// Controller is the CSI controller service.
	Controller Placement = "controller"
	// Node is the CSI node service.
	Node Placement = "node"
)

// Role is what a sidecar is for, as spec.sidecars names it.
type Role string

// The roles.
const (
	Provisioner         Role = "provisioner"
	Attacher            Role = "attacher"
	Resizer             Role = "resizer"
	Snapshotter         Role = "snapshotter"
	HealthMonitor       Role = "healthMonitor"
	NodeDriverRegistrar Role = "nodeDriverRegistrar"
	LivenessProbe       Role = "livenessProbe"
)

// VolumeRegistration is the volume of the directory in which kubelet looks for
// registration sockets.
const VolumeRegistration = "registration"

// Sidecar is one kind of sidecar container.
type Sidecar struct {
	Role Role
	// Name of the container.
	Name string
	// Repository and Version make the image. What is said here is of that version.
	Repository, Version string
	// versions run by default.
	versions pins
	// adapt changes what is different in Version; nil where nothing ever was.
	adapt func(*Sidecar)
	// Placements are the services that it may run beside, the usual one first.
	Placements []Placement
	// Everywhere is true for a sidecar that runs beside each of its Placements.
	Everywhere bool
	// Needed tells whether a driver with these capabilities needs it.
	Needed func(Capabilities) bool
	// Lacks says what a driver with these capabilities lacks so that the sidecar would
	// end at once; empty for nothing.
	Lacks func(Capabilities) string
	// own are the flags that no other sidecar has.
	own func(Settings) []string
	// Port serves metrics and health. No two sidecars of one pod share a port or its
	// name.
	Port     int32
	PortName string
	// HealthPath answers well while the container is, also where it is not the leader.
	// Empty: the container has no probe of its own.
	HealthPath string
	// Mounts beside the socket's directory, of volumes of the workload.
	Mounts []corev1.VolumeMount
	// Rules of a ClusterRole and of a Role: what is used and no more.
	Rules, NamespaceRules func(Use) []rbacv1.PolicyRule
	// Lease is the name of the leader Lease for a driver name; nil where the
	// sidecar elects no leader.
	Lease func(driver string) string
	// releases are the versions whose flags and gates are known.
	releases releases
}

// Catalogue is every sidecar, in the order of their containers in a pod, in the version
// that runs by default on the newest Kubernetes. Each call makes new values, so that a
// caller may change what it got.
func Catalogue() []Sidecar {
	all := []Sidecar{
		provisioner(),
		attacher(),
		resizer(),
		snapshotter(),
		healthMonitor(),
		nodeDriverRegistrar(),
		livenessProbe(),
	}
	for i, s := range all {
		all[i] = s.At(s.VersionFor(0))
	}
	return all
}

// RunsBeside tells whether a sidecar may run beside a service.
func (s Sidecar) RunsBeside(p Placement) bool { return slices.Contains(s.Placements, p) }

// DefaultResources are what a sidecar asks for where the spec says nothing. A
// limit is left out on purpose: what a sidecar caches grows with the cluster,
// and one that is killed for it stops all provisioning.
func DefaultResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("10m"),
		corev1.ResourceMemory: resource.MustParse("20Mi"),
	}}
}
