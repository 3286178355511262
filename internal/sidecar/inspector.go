// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// The inspector asks a driver what it can do and writes the answer into a ConfigMap. It is
// no sidecar of CSI: it runs where nobody knows yet which sidecars a driver needs. Its
// version is its own, so that a release of the operator restarts no controller.
const (
	InspectorContainer = "csi-inspector"
	InspectorVersion   = "v0.1.0"
	InspectorImage     = "ghcr.io/csi-operator/csi-inspector:" + InspectorVersion
	// InspectorAnswer is the key of the answer in the ConfigMap.
	InspectorAnswer = "answer.json"
)

// InspectorArgs are its command line.
func InspectorArgs(address, configMap, key string) []string {
	return []string{"--csi-address=" + address, "--config-map=" + configMap, "--key=" + key}
}

// InspectorRules let it write the answer into the ConfigMap of that name.
func InspectorRules(configMap string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{
		APIGroups: []string{core}, Resources: []string{"configmaps"}, ResourceNames: []string{configMap}, Verbs: []string{"patch"},
	}}
}
