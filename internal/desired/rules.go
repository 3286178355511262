// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// verbOrder is how people write verbs: reading before writing.
var verbOrder = [...]string{"get", "list", "watch", "create", "update", "patch", "delete"}

// mergeRules gives one rule for each resource with all verbs that any of rules
// grants on it, in a stable order. Rules about named objects and about URLs come after
// them as they are.
func mergeRules(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	type target struct{ group, resource string }
	verbs := map[target][]string{}
	var special []rbacv1.PolicyRule
	for _, r := range rules {
		if len(r.ResourceNames) > 0 || len(r.NonResourceURLs) > 0 {
			special = append(special, *r.DeepCopy())
			continue
		}
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				t := target{group, resource}
				verbs[t] = append(verbs[t], r.Verbs...)
			}
		}
	}
	merged := make([]rbacv1.PolicyRule, 0, len(verbs))
	for t, all := range verbs {
		merged = append(merged, rbacv1.PolicyRule{
			APIGroups: []string{t.group}, Resources: []string{t.resource}, Verbs: orderVerbs(all),
		})
	}
	slices.SortFunc(merged, func(a, b rbacv1.PolicyRule) int {
		return cmp.Or(cmp.Compare(a.APIGroups[0], b.APIGroups[0]), cmp.Compare(a.Resources[0], b.Resources[0]))
	})
	return append(merged, special...)
}

func orderVerbs(verbs []string) []string {
	slices.SortFunc(verbs, func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(verbOrder[:], a), slices.Index(verbOrder[:], b)), cmp.Compare(a, b))
	})
	return slices.Compact(verbs)
}
