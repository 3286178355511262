// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestMergeRules(t *testing.T) {
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	cases := map[string]struct {
		rules, want []rbacv1.PolicyRule
	}{
		"None": {want: []rbacv1.PolicyRule{}},
		"VerbsOfOneResourceAreJoined": {
			rules: []rbacv1.PolicyRule{rule("", "nodes", "watch", "get"), rule("", "nodes", "patch", "get")},
			want:  []rbacv1.PolicyRule{rule("", "nodes", "get", "watch", "patch")},
		},
		"GroupsAreKeptApart": {
			rules: []rbacv1.PolicyRule{rule("events.k8s.io", "events", "create"), rule("", "events", "create")},
			want:  []rbacv1.PolicyRule{rule("", "events", "create"), rule("events.k8s.io", "events", "create")},
		},
		"SubresourcesAreKeptApart": {
			rules: []rbacv1.PolicyRule{rule("", "pods/status", "patch"), rule("", "pods", "get")},
			want:  []rbacv1.PolicyRule{rule("", "pods", "get"), rule("", "pods/status", "patch")},
		},
		"UnknownVerbsComeFirstInOrder": {
			rules: []rbacv1.PolicyRule{rule("example.com", "disks", "sync", "get", "attach")},
			want:  []rbacv1.PolicyRule{rule("example.com", "disks", "attach", "sync", "get")},
		},
		"ARuleOfSeveralResourcesIsSplit": {
			rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods", "nodes"}, Verbs: []string{"list"}}},
			want:  []rbacv1.PolicyRule{rule("", "nodes", "list"), rule("", "pods", "list")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, mergeRules(tc.rules)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			slices.Reverse(tc.rules)
			if diff := cmp.Diff(tc.want, mergeRules(tc.rules)); diff != "" {
				t.Errorf("the order of rules matters: -want, +got:\n%s", diff)
			}
		})
	}
}

// TestSpecialRules come after the others as they are.
func TestSpecialRules(t *testing.T) {
	names := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"a"}, Verbs: []string{"list", "get"}}
	urls := rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}
	nodes := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"}}
	if diff := cmp.Diff([]rbacv1.PolicyRule{nodes, names, urls}, mergeRules([]rbacv1.PolicyRule{names, urls, nodes})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
