// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// item is an object and its place in the order of application.
type item struct {
	step  Step
	typed runtime.Object
}

// accountItems are who a part's pods are, and what they may do.
func accountItems(in inputs, p part) []item {
	everywhere, here := clusterRules(in, p), namespaceRules(in, p)
	// A token only if something in the pods may use one: a node that is taken over gains
	// nothing by it otherwise.
	items := []item{{StepAccounts, account(in, p, len(everywhere)+len(here) > 0)}}
	here = append(here, in.sccRules(p)...) // which are no reason for a token
	if len(everywhere) > 0 {
		items = append(items,
			item{StepAccounts, &rbacv1.ClusterRole{
				TypeMeta:   kind(rbacv1.SchemeGroupVersion, "ClusterRole"),
				ObjectMeta: in.cluster(p.name, p.component),
				Rules:      everywhere,
			}},
			item{StepBindings, &rbacv1.ClusterRoleBinding{
				TypeMeta:   kind(rbacv1.SchemeGroupVersion, "ClusterRoleBinding"),
				ObjectMeta: in.cluster(p.bindingName(), p.component),
				RoleRef:    roleRef("ClusterRole", p.name),
				Subjects:   subject(in, p),
			}})
	}
	if len(here) > 0 {
		items = append(items,
			item{StepAccounts, &rbacv1.Role{
				TypeMeta:   kind(rbacv1.SchemeGroupVersion, "Role"),
				ObjectMeta: in.namespaced(p.name, p.component),
				Rules:      here,
			}},
			item{StepBindings, &rbacv1.RoleBinding{
				TypeMeta:   kind(rbacv1.SchemeGroupVersion, "RoleBinding"),
				ObjectMeta: in.namespaced(p.bindingName(), p.component),
				RoleRef:    roleRef("Role", p.name),
				Subjects:   subject(in, p),
			}})
	}
	return items
}

// bindingName is of one account: pods of an older template keep the rights of theirs.
func (p part) bindingName() string {
	if p.ServiceAccountName == "" {
		return p.name
	}
	return p.name + "-" + digest(p.ServiceAccountName)[:stemHash]
}

// account is who a part's pods are.
func account(in inputs, p part, token bool) *corev1.ServiceAccount {
	about := in.namespaced(p.accountName(), p.component)
	maps.Copy(about.Annotations, p.ServiceAccountAnnotations)
	return &corev1.ServiceAccount{
		TypeMeta:                     kind(corev1.SchemeGroupVersion, "ServiceAccount"),
		ObjectMeta:                   about,
		AutomountServiceAccountToken: new(token),
	}
}

// clusterRules are what a part's sidecars, and its driver, need in all namespaces.
func clusterRules(in inputs, p part) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, s := range p.sidecars {
		rules = append(rules, s.Rules(in.useOf(p, s))...)
	}
	return mergeRules(slices.Concat(rules, p.rules))
}

// namespaceRules are what they need in the namespace of the pods: the leader Leases of
// this driver and no others, although a creation cannot be limited by name.
func namespaceRules(in inputs, p part) []rbacv1.PolicyRule {
	const group, leases = "coordination.k8s.io", "leases"
	var rules, more []rbacv1.PolicyRule
	var names []string
	for _, s := range p.sidecars {
		more = append(more, s.NamespaceRules(in.useOf(p, s))...)
		if lease := s.leaseOf(in.driver); lease != "" {
			names = append(names, lease)
		}
	}
	if len(names) > 0 {
		rules = []rbacv1.PolicyRule{
			{APIGroups: []string{group}, Resources: []string{leases}, Verbs: []string{"create"}},
			{APIGroups: []string{group}, Resources: []string{leases}, ResourceNames: names, Verbs: []string{"get", "update"}},
		}
	}
	if in.inspects(p) {
		more = append(more, sidecar.InspectorRules(AnswerName(in.driver))...)
	}
	return append(rules, mergeRules(slices.Concat(more, p.namespaceRules))...)
}

// useOf is what a sidecar does.
func (in *inputs) useOf(p part, s runningSidecar) sidecar.Use {
	return sidecar.Use{
		Capabilities: in.capabilities,
		Args:         s.args,
		Secrets:      in.classes.secrets[s.Role],
		OwnedBy:      p.kind,
	}
}

func roleRef(kind, name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
}

func subject(in inputs, p part) []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: p.accountName(), Namespace: in.namespace}}
}
