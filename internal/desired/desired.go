// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package desired computes every object that a CSIDriverDeployment asks for.
//
// It is pure: the same object and facts give the same bytes, nothing is read,
// nothing waits, no clock runs. What is in an object is decided by short lists
// of named edits; the list is the policy.
package desired

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// Facts are what the operator knows and no CSIDriverDeployment says.
type Facts struct {
	// OperatorNamespace is where pods go if the spec names no namespace.
	OperatorNamespace string
	// PoolDriverImage is the image of the bundled driver.
	PoolDriverImage string
	// DriverVersion is the version of PoolDriverImage, for status only.
	DriverVersion string
}

// Step is the place of an object in the order of application.
type Step int

// The steps, in order. Objects of one step do not depend on each other.
const (
	// StepAccounts: ServiceAccounts and roles; and the CSIDriver, which kubelets
	// and the attach controller must see before the first pod asks for a volume.
	StepAccounts Step = iota
	// StepBindings: the bindings of the roles. Before the API server lets
	// someone create a binding, it looks into the role.
	StepBindings
	// StepWorkloads: the Deployment and the DaemonSet; and the StorageClasses,
	// since a claim may wait for the pods, but a pod needs its rights.
	StepWorkloads
)

// Object is one object of a deployment.
type Object struct {
	Step Step
	// Intent holds the fields that the operator claims and nothing else: no
	// status, no null, no empty map or list apart from emptyDir.
	Intent *unstructured.Unstructured
}

// Row is one container of one component, as status lists it.
type Row struct {
	Component, Name, Image, Version string
}

// Set is all that one CSIDriverDeployment asks for.
type Set struct {
	// Driver is the CSI driver name.
	Driver string
	// Namespace holds everything that is not of cluster scope.
	Namespace string
	// Objects in the order of application.
	Objects []Object
	// Rows of the controller, then of the nodes; in each the driver first and
	// then the sidecars in their order in the pod.
	Rows []Row
}

// Render computes the objects of d. The error is an *InvalidError if the spec
// cannot be rendered. d is not changed, and nothing of it is shared with the
// result.
func Render(d *v1alpha1.CSIDriverDeployment, f Facts) (Set, error) {
	in, err := read(d, f)
	if err != nil {
		return Set{}, err
	}
	objects, err := intents(in)
	if err != nil {
		return Set{}, err
	}
	return Set{
		Driver:    in.driver,
		Namespace: in.namespace,
		Objects:   objects,
		Rows:      append(rows(in, in.controller), rows(in, in.node)...),
	}, nil
}

// intents is the list of all objects, in the order of application.
func intents(in inputs) ([]Object, error) {
	type item struct {
		step  Step
		typed runtime.Object
	}
	list := []item{
		{StepAccounts, controllerAccount(in)},
		{StepAccounts, nodeAccount(in)},
		{StepAccounts, clusterRole(in)},
		{StepAccounts, leaseRole(in)},
		{StepAccounts, csiDriver(in)},
		{StepBindings, clusterRoleBinding(in)},
		{StepBindings, leaseRoleBinding(in)},
		{StepWorkloads, deployment(in)},
		{StepWorkloads, daemonSet(in)},
	}
	classes := make([]item, 0, len(in.classes))
	for _, c := range in.classes {
		classes = append(classes, item{StepWorkloads, storageClass(in, c)})
	}
	objects := make([]Object, 0, len(list)+len(classes))
	for _, i := range slices.Concat(list, classes) {
		u, err := intent(i.typed)
		if err != nil {
			return nil, err
		}
		objects = append(objects, Object{Step: i.step, Intent: u})
	}
	return objects, nil
}

// rows lists the containers of p.
func rows(in inputs, p part) []Row {
	list := make([]Row, 0, 1+len(p.sidecars))
	list = append(list, Row{Component: p.component, Name: v1alpha1.DriverContainer, Image: in.image, Version: in.version})
	for _, s := range p.sidecars {
		list = append(list, Row{Component: p.component, Name: s.Name, Image: s.Image(), Version: s.Version})
	}
	return list
}
