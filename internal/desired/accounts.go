// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// controllerAccount is used by the sidecars that talk to the API server.
func controllerAccount(in inputs) *corev1.ServiceAccount {
	return account(in, in.controller, true)
}

// nodeAccount has no right and no token: nothing in a node pod talks to the
// API server, and a node that is taken over gains nothing by it.
func nodeAccount(in inputs) *corev1.ServiceAccount {
	return account(in, in.node, false)
}

func account(in inputs, p part, token bool) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:                     kind(corev1.SchemeGroupVersion, "ServiceAccount"),
		ObjectMeta:                   in.namespaced(p.name, p.component),
		AutomountServiceAccountToken: new(token),
	}
}

// clusterRole grants what the controller's sidecars need in all namespaces.
func clusterRole(in inputs) *rbacv1.ClusterRole {
	var rules []rbacv1.PolicyRule
	for _, s := range in.controller.sidecars {
		rules = append(rules, s.Rules...)
	}
	return &rbacv1.ClusterRole{
		TypeMeta:   kind(rbacv1.SchemeGroupVersion, "ClusterRole"),
		ObjectMeta: in.cluster(in.controller.name, in.controller.component),
		Rules:      mergeRules(rules),
	}
}

func clusterRoleBinding(in inputs) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta:   kind(rbacv1.SchemeGroupVersion, "ClusterRoleBinding"),
		ObjectMeta: in.cluster(in.controller.name, in.controller.component),
		RoleRef:    roleRef("ClusterRole", in.controller.name),
		Subjects:   controllerSubject(in),
	}
}

// leaseRole grants the leader Leases of this driver and no others; a creation
// cannot be limited by name.
func leaseRole(in inputs) *rbacv1.Role {
	const group, leases = "coordination.k8s.io", "leases"
	return &rbacv1.Role{
		TypeMeta:   kind(rbacv1.SchemeGroupVersion, "Role"),
		ObjectMeta: in.namespaced(in.controller.name, in.controller.component),
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{group}, Resources: []string{leases}, Verbs: []string{"create"}},
			{APIGroups: []string{group}, Resources: []string{leases}, ResourceNames: Leases(in.driver), Verbs: []string{"get", "update"}},
		},
	}
}

func leaseRoleBinding(in inputs) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta:   kind(rbacv1.SchemeGroupVersion, "RoleBinding"),
		ObjectMeta: in.namespaced(in.controller.name, in.controller.component),
		RoleRef:    roleRef("Role", in.controller.name),
		Subjects:   controllerSubject(in),
	}
}

func roleRef(kind, name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
}

func controllerSubject(in inputs) []rbacv1.Subject {
	return []rbacv1.Subject{{
		Kind:      rbacv1.ServiceAccountKind,
		Name:      in.controller.name,
		Namespace: in.namespace,
	}}
}
