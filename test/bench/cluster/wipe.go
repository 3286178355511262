// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// parallel is how many requests make or remove many objects.
const parallel = 64

// Wipe removes all drivers and their objects, as whoever takes finalizers away by
// force does. No operator may run.
func (c *Cluster) Wipe(ctx context.Context) error {
	drivers := &v1alpha1.CSIDriverDeploymentList{}
	if err := c.List(ctx, drivers); err != nil {
		return fmt.Errorf("listing drivers: %w", err)
	}
	err := Each(len(drivers.Items), func(i int) error {
		d := &drivers.Items[i]
		release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := c.Patch(ctx, d, release); err != nil {
			return fmt.Errorf("releasing %s: %w", d.Name, err)
		}
		return c.Delete(ctx, d)
	})
	if err != nil {
		return fmt.Errorf("removing drivers: %w", err)
	}
	kinds := append(desired.Kinds(), corev1.SchemeGroupVersion.WithKind("Pod"))
	if err := Each(len(kinds), func(i int) error { return c.deleteAll(ctx, kinds[i]) }); err != nil {
		return err
	}
	return c.DeleteAllOf(ctx, &storagev1.CSINode{})
}

// deleteAll deletes the objects of a kind that belong to a driver.
func (c *Cluster) deleteAll(ctx context.Context, kind schema.GroupVersionKind) error {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	options := []client.DeleteAllOfOption{client.HasLabels{v1alpha1.LabelDeployment}, client.GracePeriodSeconds(0)}
	namespaced, err := c.IsObjectNamespaced(o)
	if meta.IsNoMatchError(err) { // a cluster without the kind has none of it
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting every %s: %w", kind.Kind, err)
	}
	if namespaced {
		options = append(options, client.InNamespace(Namespace))
	}
	if err := c.DeleteAllOf(ctx, o, options...); err != nil {
		return fmt.Errorf("deleting every %s: %w", kind.Kind, err)
	}
	return nil
}

// Each calls do with 0 to n-1, many at once, and returns the first error.
func Each(n int, do func(int) error) error {
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}
