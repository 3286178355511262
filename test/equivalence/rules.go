// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"maps"
	"slices"
)

// expandRules replaces the rules of a role by the set of rights that they
// grant. What is no right on a resource stays as it is written.
func expandRules(object map[string]any) {
	rules, _ := object["rules"].([]any)
	set := map[string]bool{}
	for _, raw := range rules {
		rule, _ := raw.(map[string]any)
		for _, right := range expandRule(maps.Clone(rule)) {
			set[right] = true
		}
	}
	list := make([]any, 0, len(set))
	for _, right := range slices.Sorted(maps.Keys(set)) {
		list = append(list, right)
	}
	object["rules"] = list
}

// expandRule are the rights of one rule, which is used up.
func expandRule(rule map[string]any) []string {
	groups, resources, verbs := takeWords(rule, "apiGroups"), takeWords(rule, "resources"), takeWords(rule, "verbs")
	limits := []string{""}
	if names := takeWords(rule, "resourceNames"); len(names) > 0 {
		limits = names
		for i, name := range names {
			limits[i] = named(name)
		}
	}
	var list []string
	for _, group := range groups {
		if group == "" {
			group = "core"
		}
		for _, resource := range resources {
			for _, limit := range limits {
				list = append(list, limited(rights(group+"/"+resource, verbs...), limit)...)
			}
		}
	}
	if len(rule) > 0 {
		list = append(list, spaced(rule))
	}
	return list
}

// takeWords takes a list of strings out of rule.
func takeWords(rule map[string]any, field string) []string {
	raw, _ := rule[field].([]any)
	delete(rule, field)
	list := make([]string, 0, len(raw))
	for _, item := range raw {
		list = append(list, fmt.Sprint(item))
	}
	return list
}
