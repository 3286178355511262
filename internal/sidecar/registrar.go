// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import corev1 "k8s.io/api/core/v1"

// NodeDriverRegistrar is the name of the registrar's container.
const NodeDriverRegistrar = "node-driver-registrar"

// nodeDriverRegistrar makes the driver known to kubelet. Its health says that
// its own registration socket answers; it knows nothing of the driver's.
func nodeDriverRegistrar() Sidecar {
	const port = 9809
	return Sidecar{
		Name:       NodeDriverRegistrar,
		Repository: "registry.k8s.io/sig-storage/csi-node-driver-registrar",
		Version:    "v2.17.0",
		Placements: []Placement{Node},
		Args: func(s Settings) []string {
			return common(port, "--kubelet-registration-path="+s.HostSocket)
		},
		Port:     port,
		PortName: "registrar",
		Liveness: httpProbe(port, "/healthz"),
		Mounts: []corev1.VolumeMount{
			{Name: VolumeRegistration, MountPath: "/registration"},
		},
	}
}
