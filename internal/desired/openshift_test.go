// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// mayUsePrivileged are the components whose accounts may use the privileged constraints.
func mayUsePrivileged(t *testing.T, set Set) (components []string) {
	t.Helper()
	want := []rbacv1.PolicyRule{{
		APIGroups: []string{"security.openshift.io"}, Resources: []string{"securitycontextconstraints"},
		ResourceNames: []string{"privileged"}, Verbs: []string{"use"},
	}}
	for _, o := range set.Objects {
		if o.Intent.GetKind() != "Role" {
			continue
		}
		rules := convert[rbacv1.Role](t, o.Intent.Object).Rules
		got := slices.DeleteFunc(rules, func(r rbacv1.PolicyRule) bool { return !slices.Contains(r.APIGroups, "security.openshift.io") })
		if len(got) == 0 {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
		components = append(components, o.Intent.GetLabels()[v1alpha1.LabelComponent])
	}
	return components
}

// withToken are the components whose pods get a token.
func withToken(t *testing.T, set Set) (components []string) {
	t.Helper()
	for _, o := range set.Objects {
		if o.Intent.GetKind() == "ServiceAccount" && *convert[corev1.ServiceAccount](t, o.Intent.Object).AutomountServiceAccountToken {
			components = append(components, o.Intent.GetLabels()[v1alpha1.LabelComponent])
		}
	}
	return components
}

// seLinuxTypes are those of containers, as component/container=type.
func seLinuxTypes(t *testing.T, set Set) (types []string) {
	t.Helper()
	for _, p := range podTemplates(t, set) {
		for _, c := range p.Spec.Containers {
			if s := c.SecurityContext; s != nil && s.SELinuxOptions != nil {
				types = append(types, p.Labels[v1alpha1.LabelComponent]+"/"+c.Name+"="+s.SELinuxOptions.Type)
			}
		}
	}
	return types
}

// TestOpenShift: who reaches the node may use privileged constraints, and has no token for
// that; the sidecars of a privileged driver may reach its socket.
func TestOpenShift(t *testing.T) {
	labelled := []string{"node/node-driver-registrar=spc_t", "node/livenessprobe=spc_t"}
	cases := map[string]struct {
		spec       string
		may, types []string
	}{
		"OnNodesOnly":  {"", []string{"node"}, labelled},
		"HostNetwork":  {"  controller: {pod: {hostNetwork: true}}", []string{"controller", "node"}, labelled},
		"HostPath":     {"  controller: {pod: {volumes: [{name: h, hostPath: {path: /h}}]}}", []string{"controller", "node"}, labelled},
		"HostPID":      {"  controller: {pod: {hostPID: true}}", []string{"controller", "node"}, labelled},
		"HostIPC":      {"  controller: {pod: {hostIPC: true}}", []string{"controller", "node"}, labelled},
		"UserOfPod":    {"  controller: {pod: {securityContext: {runAsUser: 7}}}", []string{"controller", "node"}, labelled},
		"GroupOfPod":   {"  controller: {pod: {securityContext: {fsGroup: 7}}}", []string{"controller", "node"}, labelled},
		"UserOfDriver": {"  controller: {driver: {container: {securityContext: {runAsUser: 7}}}}", []string{"controller", "node"}, labelled},
		"Capability": {"  controller: {driver: {container: {securityContext: {'capabilities': {add: [SYS_ADMIN]}}}}}",
			[]string{"controller", "node"}, labelled},
		"CapabilitiesDropped": {"  controller: {driver: {container: {securityContext: {'capabilities': {drop: [ALL]}}}}}", []string{"node"}, labelled},
		"PrivilegedController": {"  controller: {driver: {container: {securityContext: {privileged: true, allowPrivilegeEscalation: true}}}}",
			[]string{"controller", "node"}, append([]string{"controller/csi-provisioner=spc_t", "controller/csi-attacher=spc_t", "controller/livenessprobe=spc_t"}, labelled...)},
		"OtherType": {"  sidecars: {livenessProbe: {container: {securityContext: {seLinuxOptions: {type: mine_t}}}}}",
			[]string{"node"}, []string{"controller/livenessprobe=mine_t", "node/node-driver-registrar=spc_t", "node/livenessprobe=mine_t"}},
		"NotPrivileged": {"  nodes: [{name: node, kubeletMounts: []}]", []string{"node"}, nil}, // a socket on the node
		"Windows":       {"  nodes: [{name: node, os: windows}]", nil, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.OpenShift = true
			set, err := Render(customOf(t, tc.spec), f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.may, mayUsePrivileged(t, set)); diff != "" {
				t.Errorf("components: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(tc.types, seLinuxTypes(t, set)); diff != "" {
				t.Errorf("types: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"controller"}, withToken(t, set)); diff != "" {
				t.Errorf("tokens: -want, +got:\n%s", diff)
			}
		})
	}
}

// TestNotOnOpenShift: other clusters refuse to grant what they do not know.
func TestNotOnOpenShift(t *testing.T) {
	set := mustRender(t, customOf(t, ""))
	if may, types := mayUsePrivileged(t, set), seLinuxTypes(t, set); len(may) > 0 || len(types) > 0 {
		t.Errorf("%q may use constraints, and types are %q", may, types)
	}
}
