// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package desired computes every object that a CSIDriverDeployment asks for.
//
// It is pure: the same object and facts give the same bytes, nothing is read,
// nothing waits, no clock runs. What is in an object is decided by short lists
// of named edits; the list is the policy.
package desired

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Facts are what the operator knows and no CSIDriverDeployment says.
type Facts struct {
	// OperatorNamespace is where pods go if the spec names no namespace.
	OperatorNamespace string
	// PoolDriverImage is the image of the bundled driver.
	PoolDriverImage string
	// DriverVersion is the version of PoolDriverImage, for status only.
	DriverVersion string
	// Configuration is what the operator's administrator says for all drivers.
	Configuration Configuration
	// Served are the optional kinds that the cluster has.
	Served Served
	// Kubernetes is the minor release of the cluster, 37 for 1.37; 0 where it is unknown.
	Kubernetes int
	// OpenShift is true where security.openshift.io is served.
	OpenShift bool
	// Answer is what is known of the driver's capabilities; nil for nothing. It is of one
	// CSIDriverDeployment.
	Answer *Answer
}

// Served are kinds that a cluster may have or not.
type Served struct {
	// Snapshots is true where snapshot.storage.k8s.io/v1 is served, GroupSnapshots where
	// groupsnapshot.storage.k8s.io/v1 is, and AttributesClasses where storage.k8s.io/v1 has
	// VolumeAttributesClasses.
	Snapshots, GroupSnapshots, AttributesClasses bool
}

// KindsServed are all kinds but the optional ones that are not served.
func KindsServed(s Served) []schema.GroupVersionKind {
	served := map[schema.GroupVersionKind]bool{
		snapshotClassKind: s.Snapshots, groupSnapshotClassKind: s.GroupSnapshots, attributesClassKind: s.AttributesClasses,
	}
	return slices.DeleteFunc(Kinds(), func(k schema.GroupVersionKind) bool {
		there, isOptional := served[k]
		return isOptional && !there
	})
}

// ServedOf asks for each optional kind.
func ServedOf(served func(schema.GroupVersionKind) bool) Served {
	return Served{
		Snapshots:         served(snapshotClassKind),
		GroupSnapshots:    served(groupSnapshotClassKind),
		AttributesClasses: served(attributesClassKind),
	}
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
	// StepWorkloads: the workloads and their budget; and the classes, since a claim
	// may wait for the pods, but a pod needs its rights.
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
	// Lease is by which the containers elect a leader; empty where they elect none.
	Lease string
	// RetryPeriod is how often they try to take it; 0 where they elect none.
	RetryPeriod time.Duration
	// CallsAPI is true for a sidecar that needs rights.
	CallsAPI bool
}

// Component is one workload of a driver.
type Component struct {
	// Name is its label: controller, or that of a node pool.
	Name string
	// Kind of the workload.
	Kind string
	// Registers is true where its pods register the driver on their nodes.
	Registers bool
	// KubeletRoot is where its pods expect kubelet.
	KubeletRoot string
}

// Set is all that one CSIDriverDeployment asks for.
type Set struct {
	// Driver is the CSI driver name.
	Driver string
	// Namespace holds everything that is not of cluster scope.
	Namespace string
	// Objects in the order of application.
	Objects []Object
	// Components are the controller, if there is one, and the node pools.
	Components []Component
	// Rows of the controller, then of the nodes; in each the driver first and
	// then the sidecars in their order in the pod.
	Rows []Row
	// Ports that the pods take on their nodes.
	Ports []v1alpha1.HostPort
	// Discovery is how the capabilities of the driver are known.
	Discovery Discovery
	// Served are the optional kinds that were rendered.
	Served Served
	// Warnings tell of what may be right and could not be checked.
	Warnings []string
	// Absent tells of a sidecar that the cluster has no use for; empty for none.
	Absent string
	// Unserved are the classes that have no effect yet, and why.
	Unserved []string
}

// Render computes the objects of d. The error is an *InvalidError if the spec
// cannot be rendered. d is not changed, and nothing of it is shared with the
// result.
func Render(d *v1alpha1.CSIDriverDeployment, f Facts) (Set, error) {
	in, err := read(d, f)
	if err != nil {
		return Set{}, err
	}
	set := Set{Driver: in.driver, Namespace: in.namespace, Discovery: in.discovery, Served: in.served, Warnings: in.warnings, Absent: in.absent, Unserved: in.unserved()}
	for _, i := range items(in) {
		u, err := intent(i.typed)
		if err != nil {
			return Set{}, err
		}
		set.Objects = append(set.Objects, Object{Step: i.step, Intent: u})
	}
	for _, p := range in.parts {
		set.Components = append(set.Components, Component{
			Name: p.component, Kind: p.kind, Registers: in.registers(p),
			KubeletRoot: p.kubelet,
		})
		if !in.known() && !in.inspects(p) {
			continue
		}
		set.Rows = append(set.Rows, p.rows(in)...)
		set.Ports = append(set.Ports, p.ports()...)
	}
	return set, nil
}

// items is the list of all objects, in the order of application.
//
// As long as nobody knows what the driver can do, there is the pod that asks it and what
// that pod needs: what a CSIDriver says of attachment cannot be changed later.
func items(in inputs) []item {
	var all []item
	if in.known() {
		all = append(all, item{StepAccounts, csiDriver(in)})
		all = append(all, classItems(in)...)
	}
	if in.discovery.Asked {
		all = append(all, item{StepAccounts, answerMap(in)})
	}
	for _, p := range in.parts {
		if !in.known() && !in.inspects(p) {
			continue
		}
		all = append(all, accountItems(in, p)...)
		all = append(all, item{StepWorkloads, workload(in, p)})
		if b := budget(in, p); b != nil {
			all = append(all, item{StepWorkloads, b})
		}
	}
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.step, b.step) })
	return all
}

// rows lists the containers of p. The version of the driver is known where it is ours.
func (p part) rows(in inputs) []Row {
	list := make([]Row, 0, len(p.template.Spec.Containers))
	for _, c := range p.template.Spec.Containers {
		row := Row{Component: p.component, Name: c.Name, Image: c.Image}
		if c.Name == v1alpha1.DriverContainer {
			row.Version = in.version
		}
		if c.Name == sidecar.InspectorContainer {
			row.Version = sidecar.InspectorVersion
		}
		for _, s := range p.sidecars {
			if s.Name == c.Name {
				row.Version, row.Lease = s.Version, s.leaseOf(in.driver)
				row.CallsAPI = s.Lease != nil
				row.RetryPeriod = s.retryPeriod()
			}
		}
		list = append(list, row)
	}
	return list
}
