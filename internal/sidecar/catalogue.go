// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sidecar is the catalogue of the CSI sidecar containers.
//
// Each sidecar is a value in a file of its own: image, flags, port, probe and
// the rights it needs. Nothing outside that file knows a flag of it. A new
// sidecar is one file and its name in Catalogue.
package sidecar

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Placement is the workload that a sidecar runs in.
type Placement string

const (
	// Controller is the workload that serves the CSI controller service.
	Controller Placement = "controller"
	// Node is the workload that serves the CSI node service on every node.
	Node Placement = "node"
)

// What every workload offers to its sidecars.
const (
	// SocketPath is the driver's socket inside the pod.
	SocketPath = "/csi/csi.sock"
	// VolumeRegistration is the node workload's volume of the directory in
	// which kubelet looks for registration sockets.
	VolumeRegistration = "registration"
)

// Settings are what flags depend on.
type Settings struct {
	// HostSocket is the path of the driver's socket as the node sees it.
	HostSocket string
}

// Sidecar is one kind of sidecar container.
type Sidecar struct {
	// Name of the container.
	Name string
	// Repository and Version make the image.
	Repository, Version string
	// Placements are the workloads that it runs in.
	Placements []Placement
	// Args are the whole command line.
	Args func(Settings) []string
	// Env that Args refer to.
	Env []corev1.EnvVar
	// Port serves metrics and health. No two containers of one pod share a
	// port or its name. 0: the container declares none.
	Port     int32
	PortName string
	// Liveness answers well while the container is, also where it is not the
	// leader. nil: the container has no probe of its own.
	Liveness *corev1.Probe
	// Mounts beside the socket's directory, of volumes of the workload.
	Mounts []corev1.VolumeMount
	// Rules of a ClusterRole: what the flags above need and no more.
	Rules []rbacv1.PolicyRule
	// Lease is the name of the leader Lease for a driver name; nil where the
	// sidecar elects no leader.
	Lease func(driver string) string
}

// Catalogue is every sidecar, in the order of their containers in a pod. Each
// call makes new values, so that a caller may change what it got.
func Catalogue() []Sidecar {
	return []Sidecar{
		provisioner(),
		attacher(),
		resizer(),
		nodeDriverRegistrar(),
		livenessprobe(),
	}
}

// In is the part of the catalogue that runs in one workload.
func In(p Placement) []Sidecar {
	return slices.DeleteFunc(Catalogue(), func(s Sidecar) bool {
		return !slices.Contains(s.Placements, p)
	})
}

// Image is the reference of the container image.
func (s Sidecar) Image() string { return s.Repository + ":" + s.Version }

// DefaultResources are what a sidecar asks for where the spec says nothing. A
// limit is left out on purpose: what a sidecar caches grows with the cluster,
// and one that is killed for it stops all provisioning.
func DefaultResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("10m"),
		corev1.ResourceMemory: resource.MustParse("20Mi"),
	}}
}
