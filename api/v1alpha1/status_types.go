// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// CSIDriverDeploymentStatus is what is there. A message in it has at most 256
// bytes, that of a condition 2,048; nothing in it counts up while nothing changes.
type CSIDriverDeploymentStatus struct {
	// observedGeneration is the generation of spec that this status tells of; -1 until the
	// operator has looked at the object, so that nobody takes it for one without a status.
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// namespace is the effective namespace of the pods.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// conditions: Ready and what it is made of (SpecValid, Applied,
	// ControllerAvailable, NodesRegistered, SidecarsHealthy,
	// CapabilitiesMatch, ClassesInSync); ChangeBlocked, DeletionBlocked, Reconciling and
	// Stalled only while they hold.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// driver is what runs as the driver.
	// +optional
	Driver DriverStatus `json:"driver,omitzero"`

	// controller counts the controller pods.
	// +optional
	Controller WorkloadStatus `json:"controller,omitzero"`

	// nodes counts the nodes.
	// +optional
	Nodes NodesStatus `json:"nodes,omitzero"`

	// sidecars has one row for each container of each component, the driver
	// container too.
	// +optional
	// +listType=map
	// +listMapKey=component
	// +listMapKey=name
	Sidecars []SidecarStatus `json:"sidecars,omitempty"`

	// sidecarSummary is "healthy/all" rows, for kubectl get.
	// +optional
	SidecarSummary string `json:"sidecarSummary,omitempty"`

	// objects are all objects that the spec asks for, and what is known of each.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=namespace
	// +listMapKey=name
	Objects []ObjectStatus `json:"objects,omitempty"`

	// hostPorts are the ports that the pods take on their nodes.
	// +optional
	// +listType=atomic
	HostPorts []HostPort `json:"hostPorts,omitempty"`

	// plan is what the operator would do if managementState were Managed; absent
	// unless it is Plan.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`

	// deletion tells what keeps the object from going; absent unless it is
	// being deleted.
	// +optional
	Deletion *DeletionStatus `json:"deletion,omitempty"`
}

// DriverStatus is what runs as the driver.
type DriverStatus struct {
	// name is the CSI driver name.
	// +optional
	Name string `json:"name,omitempty"`
	// version of the driver.
	// +optional
	Version string `json:"version,omitempty"`
	// image of the driver container.
	// +optional
	Image string `json:"image,omitempty"`
	// capabilities by which the sidecars are chosen: those of the spec, or what the driver
	// reported; absent for the bundled driver, and as long as none are known.
	// +optional
	// +listType=atomic
	Capabilities []string `json:"capabilities,omitzero"`
	// reported are the capabilities that the driver reported when it was asked last, kept as
	// long as its container is the same.
	// +optional
	// +listType=atomic
	Reported []string `json:"reported,omitzero"`
	// capabilitiesKey tells of which driver container the reported ones are.
	// +optional
	CapabilitiesKey string `json:"capabilitiesKey,omitempty"`
}

// HostPort is a port that a container takes on each of its nodes.
type HostPort struct {
	// component is controller or the name of a pool.
	Component string `json:"component"`
	// container that listens.
	Container string `json:"container"`
	// port number.
	Port int32 `json:"port"`
}

// WorkloadStatus counts the pods of a workload.
type WorkloadStatus struct {
	// desired is how many pods are wanted.
	Desired int32 `json:"desired"`
	// updated is how many run the newest template.
	Updated int32 `json:"updated"`
	// ready is how many are ready.
	Ready int32 `json:"ready"`
	// summary is for kubectl get: "ready/desired"; of nodes "registered/desired".
	// +optional
	Summary string `json:"summary,omitempty"`
}

// NodesStatus counts nodes.
type NodesStatus struct {
	WorkloadStatus `json:",inline"`
	// registered is on how many nodes the CSINode lists the driver and the node
	// pod is ready.
	Registered int32 `json:"registered"`
	// unregistered are the first ten nodes, by name, that have a node pod but
	// are not registered.
	// +optional
	// +listType=map
	// +listMapKey=name
	Unregistered []UnregisteredNode `json:"unregistered,omitempty"`
	// stale are the first ten nodes, by name, whose CSINode lists the driver although
	// none of its pods is there: volumes of pods on them can be neither mounted nor
	// unmounted.
	// +optional
	// +listType=atomic
	Stale []string `json:"stale,omitempty"`
	// startupTaint is the key of the taint that the operator looks after on nodes. It
	// stays until the taint is gone from all nodes: where spec.startupTaint is turned off
	// or has another key, and while managementState lets nothing be done.
	// +optional
	StartupTaint string `json:"startupTaint,omitempty"`
	// pools are the counts of each node pool.
	// +optional
	// +listType=map
	// +listMapKey=name
	Pools []PoolStatus `json:"pools,omitempty"`
}

// UnregisteredNode is a node on which the driver is not registered.
type UnregisteredNode struct {
	// name of the node.
	Name string `json:"name"`
	// message says why; at most 256 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// PoolStatus counts the nodes of one pool.
type PoolStatus struct {
	// name of the pool.
	Name           string `json:"name"`
	WorkloadStatus `json:",inline"`
	// registered is on how many nodes the CSINode lists the driver and the node
	// pod is ready.
	Registered int32 `json:"registered"`
}

// SidecarState is the state of one container over all pods of its component.
// +kubebuilder:validation:Enum=Healthy;Starting;Degraded;Down
type SidecarState string

const (
	// SidecarHealthy says that every wanted container is ready, of the newest
	// template.
	SidecarHealthy SidecarState = "Healthy"
	// SidecarStarting says that it is not ready yet, or not yet of the newest
	// template, and nothing went wrong so far.
	SidecarStarting SidecarState = "Starting"
	// SidecarDegraded says that some are ready, and at least one has failed.
	SidecarDegraded SidecarState = "Degraded"
	// SidecarDown says that none is ready, and at least one has failed; or that none
	// works, since nobody holds the Lease.
	SidecarDown SidecarState = "Down"
)

// SidecarStatus is one container over all pods of its component.
type SidecarStatus struct {
	// component is "controller" or the name of a node pool.
	Component string `json:"component"`
	// name of the container.
	Name string `json:"name"`
	// image that is wanted.
	Image string `json:"image"`
	// version of the image, as its tag says.
	// +optional
	Version string `json:"version,omitempty"`
	// running are the images of the containers that run, where one of them has another
	// image than the wanted one: while a change rolls out, or where it does not.
	// +optional
	// +listType=atomic
	Running []RunningImage `json:"running,omitempty"`
	// desired is how many containers are wanted.
	Desired int32 `json:"desired"`
	// ready is how many are ready.
	Ready int32 `json:"ready"`
	// lease is the name of the Lease by which the containers elect one of them to do the
	// work; absent where all of them work.
	// +optional
	Lease string `json:"lease,omitempty"`
	// leader is who holds the Lease: a pod, or on the host's network its node. Absent where
	// nobody renews it, and where its pod is gone.
	// +optional
	Leader string `json:"leader,omitempty"`
	// state over all pods.
	State SidecarState `json:"state"`
	// message says what is wrong, empty where nothing is; at most 256 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
	// worst is the container that is worst off, absent where all are healthy.
	// +optional
	Worst *ContainerProblem `json:"worst,omitempty"`
}

// RunningImage is an image that containers of one name run.
type RunningImage struct {
	// image as the pods name it.
	Image string `json:"image"`
	// version of the image, as its tag says.
	// +optional
	Version string `json:"version,omitempty"`
	// containers is how many run it.
	Containers int32 `json:"containers"`
}

// ContainerProblem is one container that is not well.
type ContainerProblem struct {
	// pod that the container is in.
	Pod string `json:"pod"`
	// node that the pod runs on.
	// +optional
	Node string `json:"node,omitempty"`
	// reason as Kubernetes gives it, e.g. CrashLoopBackOff or ImagePullBackOff.
	// +optional
	Reason string `json:"reason,omitempty"`
	// exitCode of the last run that ended.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// lastMessage is what the last run said at its end; at most 256 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastMessage string `json:"lastMessage,omitempty"`
	// finishedAt is when the last run ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}

// ObjectState is what became of one object.
// +kubebuilder:validation:Enum=Applied;Pending;Conflict;Deleting
type ObjectState string

const (
	// ObjectApplied says that the object is as rendered.
	ObjectApplied ObjectState = "Applied"
	// ObjectPending says that it is not, or not yet; the condition Applied says why.
	ObjectPending ObjectState = "Pending"
	// ObjectConflict says that an object of that name exists and is not ours.
	ObjectConflict ObjectState = "Conflict"
	// ObjectDeleting says that it is there until the removal gets to it.
	ObjectDeleting ObjectState = "Deleting"
)

// ObjectStatus is one object that the spec asks for, or that left it and is still there.
type ObjectStatus struct {
	// kind of the object.
	Kind string `json:"kind"`
	// namespace of the object, empty for kinds of cluster scope.
	// +optional
	// +default=""
	// +kubebuilder:default=""
	Namespace string `json:"namespace"`
	// name of the object.
	Name string `json:"name"`
	// state of the object.
	State ObjectState `json:"state"`
	// uid of the object that was applied last.
	// +optional
	UID types.UID `json:"uid,omitempty"`
	// applied identifies what was applied last and what the API server made of it.
	// As long as both are the same, nothing is written.
	// +optional
	Applied string `json:"applied,omitempty"`
	// generation of the object that came of what was applied last; 0 for kinds that
	// do not count it.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// foreignFields are the first five fields, metadata apart, that others set on
	// the object and that are left to them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	ForeignFields []string `json:"foreignFields,omitempty"`
	// omittedFields are fields that this API server does not know; the object was
	// applied without them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	OmittedFields []string `json:"omittedFields,omitempty"`
}

// PlanStatus is what the operator would do.
type PlanStatus struct {
	// changes in the order in which they would be made, at most 64; none if
	// everything is as rendered.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Changes []PlannedChange `json:"changes,omitempty"`
	// more is how many changes did not fit.
	// +optional
	More int32 `json:"more,omitempty"`
}

// PlannedChange is what would be done with one object.
type PlannedChange struct {
	// kind of the object.
	Kind string `json:"kind"`
	// namespace of the object.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// name of the object.
	Name string `json:"name"`
	// action that would be taken.
	// +kubebuilder:validation:Enum=Create;Apply;Heal;Recreate;Delete;Blocked;Conflict
	Action string `json:"action"`
	// reason says why.
	Reason string `json:"reason"`
	// fields are the first five fields in which the object differs.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	Fields []string `json:"fields,omitempty"`
}

// DeletionStatus tells what keeps the object from going.
type DeletionStatus struct {
	// persistentVolumes is how many PersistentVolumes belong to the driver.
	PersistentVolumes int32 `json:"persistentVolumes"`
	// volumeAttachments is how many VolumeAttachments belong to the driver.
	VolumeAttachments int32 `json:"volumeAttachments"`
	// examples are the first ten of them, as kind/name.
	// +optional
	// +listType=atomic
	Examples []string `json:"examples,omitempty"`
}
