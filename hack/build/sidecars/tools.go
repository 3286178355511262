// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package sidecars pins the CSI sidecars that the local cluster runs. They are
// built from this module, because their own refuse "go install path@version".
// The client of snapshots is pinned for its CustomResourceDefinitions.
package sidecars

import (
	_ "github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher"
	_ "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"
	_ "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer"
	_ "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	_ "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter"
	_ "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller"
)
