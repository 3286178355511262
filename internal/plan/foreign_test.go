// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestLastWriter finds who changed what we claim, and not who wrote last.
func TestLastWriter(t *testing.T) {
	const expansion, parameters = `{"f:allowVolumeExpansion":{}}`, `{"f:parameters":{"f:a":{}}}`
	entry := func(manager, fields, subresource string, at int64) metav1.ManagedFieldsEntry {
		when := metav1.NewTime(time.Unix(at, 0))
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: subresource,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields), Time: &when,
		}
	}
	cases := map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    string
	}{
		"Nobody":       {},
		"OneOfTwo":     {entries: []metav1.ManagedFieldsEntry{entry("new", expansion, "", 2), entry("old", expansion, "", 1)}, want: "new"},
		"InTheirOrder": {entries: []metav1.ManagedFieldsEntry{entry("old", expansion, "", 1), entry("new", expansion, "", 2)}, want: "new"},
		"OfManyFields": {entries: []metav1.ManagedFieldsEntry{entry("them", `{"f:allowVolumeExpansion":{},"f:provisioner":{}}`, "", 2)}, want: "them"},
		"OtherFields":  {entries: []metav1.ManagedFieldsEntry{entry("them", expansion, "", 1), entry("other", parameters, "", 2)}, want: "them"},
		"Status":       {entries: []metav1.ManagedFieldsEntry{entry("controller", expansion, "status", 2)}},
		"StatusAfterAll": {entries: []metav1.ManagedFieldsEntry{
			entry("old", expansion, "", 1), entry("new", expansion, "", 2), entry("old", parameters, "status", 3),
		}, want: "new"},
		"StatusByAnotherWriter": {entries: []metav1.ManagedFieldsEntry{
			entry("other", expansion, "status", 1), entry("them", expansion, "", 2), entry("other", parameters, "", 3),
		}, want: "them"},
		"Ourselves":     {entries: []metav1.ManagedFieldsEntry{entry(v1alpha1.FieldOwner, expansion, "", 2)}},
		"NobodyByWipes": {entries: []metav1.ManagedFieldsEntry{entry(beforeFirstApply, expansion, "", 2)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := live(t)
			u.SetManagedFields(append(u.GetManagedFields(), tc.entries...))
			if got := LastWriter(u, []string{"allowVolumeExpansion"}); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got := LastWriter(nil, []string{"allowVolumeExpansion"}); got != "" {
		t.Errorf("%q wrote to no object", got)
	}
}
