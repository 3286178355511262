// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// sccRules let the pods of a part reach the node on OpenShift, which admits such pods by
// a SecurityContextConstraints that their account may use. Other pods do with the one
// that everybody may use.
func (in *inputs) sccRules(p part) []rbacv1.PolicyRule {
	if !in.openShift || p.windows() || !beyondRestricted(p.template.Spec) {
		return nil
	}
	return []rbacv1.PolicyRule{{
		APIGroups:     []string{"security.openshift.io"},
		Resources:     []string{"securitycontextconstraints"},
		ResourceNames: []string{"privileged"},
		Verbs:         []string{"use"},
	}}
}

// beyondRestricted tells whether a pod wants more than restricted-v2, the
// SecurityContextConstraints of every account, gives: anything of its node, or users and
// groups of its own choice.
func beyondRestricted(pod corev1.PodSpec) bool {
	host := pod.HostNetwork || pod.HostPID || pod.HostIPC ||
		slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil })
	s := cmp.Or(pod.SecurityContext, &corev1.PodSecurityContext{})
	chosen := s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil || len(s.SupplementalGroups) > 0
	return host || chosen || slices.ContainsFunc(slices.Concat(pod.InitContainers, pod.Containers), choosesRights)
}

func choosesRights(c corev1.Container) bool {
	s := cmp.Or(c.SecurityContext, &corev1.SecurityContext{})
	return isPrivileged(c) || s.RunAsUser != nil || s.RunAsGroup != nil || s.Capabilities != nil && len(s.Capabilities.Add) > 0
}

func isPrivileged(c corev1.Container) bool {
	s := c.SecurityContext
	return s != nil && s.Privileged != nil && *s.Privileged
}

// letReachSocket lets the sidecars of a privileged driver open its socket where SELinux
// keeps other containers from it, and gives them nothing else. Kubernetes does not tell
// which hosts have SELinux, but those of OpenShift have.
func (in *inputs) letReachSocket(driver corev1.Container, sidecars []corev1.Container) {
	if !in.openShift || !isPrivileged(driver) {
		return
	}
	for i := range sidecars {
		s := cmp.Or(sidecars[i].SecurityContext, &corev1.SecurityContext{})
		s.SELinuxOptions = cmp.Or(s.SELinuxOptions, &corev1.SELinuxOptions{Type: "spc_t"})
		sidecars[i].SecurityContext = s
	}
}
