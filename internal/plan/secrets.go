// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// keepSecrets leaves a ClusterRole the right to read Secrets as long as there are volumes:
// they carry references of the class that they were made by, which may have left the spec.
func (in Input) keepSecrets(ref Ref, object desired.Object) (desired.Object, error) {
	live := in.Live[ref]
	if ref.Kind != "ClusterRole" || live == nil {
		return object, nil
	}
	rule := secretsRule(live)
	if rule == nil || secretsRule(object.Intent) != nil {
		return object, nil
	}
	use, err := in.Use()
	if err != nil || use.Volumes == "" {
		return object, err
	}
	intent := object.Intent.DeepCopy()
	rules, _, err := unstructured.NestedSlice(intent.Object, "rules")
	if err != nil {
		return object, err
	}
	object.Intent = intent
	return object, unstructured.SetNestedSlice(intent.Object, append(rules, rule), "rules")
}

// secretsRule is the rule by which all Secrets may be read by name; nil for none.
func secretsRule(role *unstructured.Unstructured) any {
	rules, _, _ := unstructured.NestedSlice(role.Object, "rules")
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		resources, _ := rule["resources"].([]any)
		if slices.Contains(resources, any("secrets")) && rule["resourceNames"] == nil {
			return rule
		}
	}
	return nil
}
