// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Kind is the one kind of this API.
const Kind = "CSIDriverDeployment"

// Finalizer stands on every CSIDriverDeployment until all that was made for it
// is gone, in order. It is the only thing the operator writes outside status.
const Finalizer = "csi-operator.io/removal"

// FieldOwner is the server-side apply owner of everything rendered.
const FieldOwner = "csi-operator"

const (
	// LabelDeployment names the CSIDriverDeployment that owns an object. Kinds
	// of cluster and namespace scope carry it alike; it is the ownership.
	LabelDeployment = "csi-operator.io/deployment"
	// LabelComponent is ComponentController or the name of a node pool.
	LabelComponent = "csi-operator.io/component"
	// LabelManagedBy is the recommended label that says which tool made an
	// object; its value is FieldOwner.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// AnnotationUID records the uid of the owning object, for information.
	AnnotationUID = "csi-operator.io/deployment-uid"
)

// ComponentController is the component of the controller workload in labels
// and status rows. A node pool's component is its own name.
const ComponentController = "controller"

// DriverContainer is the name of the driver's container in both workloads.
const DriverContainer = "driver"
