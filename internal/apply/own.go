// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/internal/plan"
)

// own makes the operator the only owner of what it just applied, where others own it
// in name only: a field would stay when it leaves the intent. The object is the answer
// of the API server, and is the new one afterwards.
func (a *Applier) own(ctx context.Context, object *unstructured.Unstructured) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		entries, shared := plan.SoleOwner(object)
		if !shared {
			return nil
		}
		err := a.patch(ctx, object, []operation{
			{Op: "replace", Path: "/metadata/managedFields", Value: entries},
			{Op: "replace", Path: "/metadata/resourceVersion", Value: object.GetResourceVersion()},
		})
		if apierrors.IsConflict(err) { // a controller wrote its status meanwhile: read what there is, by changing nothing
			return errors.Join(err, a.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte("{}"))))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("becoming the only owner of the fields of %s: %w", plan.RefOf(object), err)
	}
	return nil
}
