// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// sharedDeployment is the deployment that most tests use: made by the first,
// removed after the last. It has a class for ext4, one for xfs, and one that binds
// at once.
func sharedDeployment(t *testing.T) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	d := poolDeployment(driverName)
	d.Spec.StorageClasses = []v1alpha1.StorageClass{
		{Name: driverName},
		{Name: driverName + "-xfs", Parameters: map[string]string{"csi.storage.k8s.io/fstype": "xfs"}},
	}
	for i := range d.Spec.StorageClasses {
		d.Spec.StorageClasses[i].AllowVolumeExpansion = new(true)
		d.Spec.StorageClasses[i].VolumeBindingMode = new(storagev1.VolumeBindingWaitForFirstConsumer)
	}
	d.Spec.StorageClasses = append(d.Spec.StorageClasses, v1alpha1.StorageClass{Name: driverName + "-immediate"})
	if err := shared.Create(t.Context(), d); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("creating %s: %v", d.Name, err)
	}
	await(t, d.Name+" is Ready", ready(d))
	return d
}

// removeShared removes that deployment; it is an error if it does not go.
func removeShared(ctx context.Context) error {
	d := poolDeployment(driverName)
	if err := shared.Delete(ctx, d); err != nil {
		return client.IgnoreNotFound(err)
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, patience, true,
		func(ctx context.Context) (bool, error) { return gone(ctx, d) == nil, nil })
}
