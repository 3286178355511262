// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package sidecars pins the CSI sidecars that the local cluster runs. They are
// built from this module, because their own refuse "go install path@version".
package sidecars

import (
	_ "github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher"
	_ "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"
	_ "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer"
)
