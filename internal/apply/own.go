// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/plan"
)

// own makes the operator the only owner of what it just applied, where others own it
// in name only: a field would stay when it leaves the intent. The object is the answer
// of the API server, and is the new one afterwards. If it changed meanwhile, that is an
// error: what is there now is not what was applied.
func (a *Applier) own(ctx context.Context, object *unstructured.Unstructured) error {
	entries, shared := plan.SoleOwner(object)
	if !shared {
		return nil
	}
	err := a.patch(ctx, object, []operation{
		{Op: "replace", Path: "/metadata/managedFields", Value: entries},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: object.GetResourceVersion()},
	})
	if err != nil {
		return fmt.Errorf("becoming the only owner of the fields of %s: %w", plan.RefOf(object), err)
	}
	return nil
}
