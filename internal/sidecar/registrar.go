// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import corev1 "k8s.io/api/core/v1"

// RegistrarContainer is the name of the registrar's container.
const RegistrarContainer = "node-driver-registrar"

// nodeDriverRegistrar makes the driver known to kubelet. Its health says that
// its own registration socket answers; it knows nothing of the driver's.
func nodeDriverRegistrar() Sidecar {
	return Sidecar{
		Role:       NodeDriverRegistrar,
		Name:       RegistrarContainer,
		Repository: registry + "csi-node-driver-registrar",
		versions:   pins{34: "v2.13.0", 35: "v2.15.0", 36: "v2.16.0", 37: "v2.17.0"},
		Placements: []Placement{Node},
		Everywhere: true,
		Needed:     func(Capabilities) bool { return true },
		Lacks:      nothing,
		own: func(s Settings) []string {
			return append([]string{"--kubelet-registration-path=" + s.HostSocket}, given("--timeout", s.Timeout)...)
		},
		Port:       9814,
		PortName:   "registrar",
		HealthPath: "/healthz",
		Mounts: []corev1.VolumeMount{
			{Name: VolumeRegistration, MountPath: "/registration"},
		},
		Rules:          noRules,
		NamespaceRules: noRules,
		releases:       registrarReleases(),
	}
}
