// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// beforeFirstApply is who the API server lets own everything in an object, defaults and
// all, whose record of owners somebody has wiped.
const beforeFirstApply = "before-first-apply"

// SoleOwner returns an object's managed fields without owners in name only, who would
// keep a field that leaves the intent, and tells whether there are any.
func SoleOwner(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, bool) {
	var kept []metav1.ManagedFieldsEntry
	shared := false
	for _, entry := range live.GetManagedFields() {
		if inNameOnly(entry) {
			shared = true
			continue
		}
		kept = append(kept, entry)
	}
	return kept, shared
}

// inNameOnly is true for nobody, and for the operator itself where it had to patch
// before it could apply.
func inNameOnly(e metav1.ManagedFieldsEntry) bool {
	patched := e.Manager == v1alpha1.FieldOwner && e.Operation == metav1.ManagedFieldsOperationUpdate
	return e.Subresource == "" && (patched || e.Manager == beforeFirstApply)
}
