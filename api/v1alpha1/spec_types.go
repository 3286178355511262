// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// CSIDriverDeploymentSpec is what is wanted. The immutability rules stand here
// and compare effective values, so that a field cannot be changed by leaving
// it or its parent out.
//
// +kubebuilder:validation:XValidation:rule="has(self.__namespace__) == has(oldSelf.__namespace__) && (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",message="namespace cannot be changed; delete this object and create it anew"
// +kubebuilder:validation:XValidation:rule="has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",message="source cannot be changed; delete this object and create it anew"
// +kubebuilder:validation:XValidation:rule="has(self.bundled) == has(oldSelf.bundled) && (!has(self.bundled) || self.bundled.mode == oldSelf.bundled.mode)",message="bundled.mode cannot be changed: volumes of one mode cannot be served in another; create another CSIDriverDeployment"
// +kubebuilder:validation:XValidation:rule="has(self.bundled) == has(oldSelf.bundled) && (!has(self.bundled) || self.bundled.path == oldSelf.bundled.path)",message="bundled.path cannot be changed: existing volumes lie there; create another CSIDriverDeployment"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || self.source != 'Custom' || !has(self.bundled)",message="bundled configures the bundled driver: leave it out for source Custom"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || self.source != 'Custom' || (has(self.driver) && has(self.driver.image)) || (has(self.controller) && has(self.controller.driver) && has(self.controller.driver.image)) || (has(self.nodes) && self.nodes.exists(n, has(n.driver) && has(n.driver.image)))",message="driver.image is required for source Custom: name the image of the driver"
// +kubebuilder:validation:XValidation:rule="!has(self.csiDriver) || !has(self.csiDriver.storageCapacity)",message="csiDriver.storageCapacity is refused: use storageCapacity, which also sets the flags and rights that belong to it"
// +kubebuilder:validation:XValidation:rule="!has(self.layout) || self.layout != 'SinglePod' || !has(self.nodes) || size(self.nodes) == 0",message="layout SinglePod has no node pools: leave nodes out; the one pod serves both the controller and the node service"
// +kubebuilder:validation:XValidation:rule="!has(self.layout) || self.layout != 'SinglePod' || !has(self.controller) || !has(self.controller.disabled) || !self.controller.disabled",message="layout SinglePod needs the controller workload: leave controller.disabled out"
type CSIDriverDeploymentSpec struct {
	// managementState says how far the operator goes. Managed: it installs, heals
	// and removes. Plan: it tells in status.plan what it would do, and does nothing,
	// until this object is deleted: that removes what was installed before. Unmanaged: it does nothing, and when this object is deleted it takes its
	// labels off everything and leaves it running.
	// +optional
	// +kubebuilder:default=Managed
	ManagementState ManagementState `json:"managementState,omitempty"`

	// namespace holds the pods. It must exist. Default: the operator's own.
	// Immutable; the effective value is in status.namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// source says where the driver comes from. Bundled is the pool driver that
	// ships with the operator, Custom any other one: driver.image. Immutable.
	// +optional
	// +kubebuilder:default=Bundled
	Source DriverSource `json:"source,omitempty"`

	// bundled configures the bundled driver.
	// +optional
	Bundled *BundledDriver `json:"bundled,omitempty"`

	// driver sets the driver container of all workloads; controller.driver and
	// nodes[].driver win over it.
	// +optional
	Driver DriverSpec `json:"driver,omitzero"`

	// pod is a fragment of a PodSpec for the pods of all workloads; controller.pod
	// and nodes[].pod come after it. See docs/api.md for how fragments are merged.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Pod *runtime.RawExtension `json:"pod,omitempty"`

	// capabilities are what the driver reports, as <Service>/<NAME> with the names
	// of the CSI specification: Identity/CONTROLLER_SERVICE,
	// Controller/CREATE_DELETE_VOLUME, Node/EXPAND_VOLUME. They decide which sidecars
	// run. Omitted: the driver is asked, and status.driver tells what it said.
	// Required where no controller pod can ask it. Known for the bundled driver.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=128
	Capabilities []string `json:"capabilities,omitzero"`

	// csiDriver is the spec of the CSIDriver object, as in storage.k8s.io/v1. A
	// field that is left out is left to Kubernetes, but for attachRequired, which
	// says by default whether the attacher runs. attachRequired and
	// volumeLifecycleModes cannot be changed in Kubernetes.
	// +optional
	CSIDriver *storagev1.CSIDriverSpec `json:"csiDriver,omitempty"`

	// layout says which pods there are. Split: a controller workload and node pools.
	// SinglePod: one workload that serves both, for drivers that keep their state in
	// one process. Default Split.
	// +optional
	Layout Layout `json:"layout,omitempty"`

	// controller is the workload that serves the CSI controller service.
	// +optional
	Controller ControllerSpec `json:"controller,omitzero"`

	// nodes are the workloads that serve the CSI node service, one a node pool. No
	// two pools may select one node. Omitted: one pool "node" on every Linux node.
	// An empty list: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	Nodes []NodePool `json:"nodes,omitzero"`

	// kubeletRootDir is the kubelet's --root-dir on the nodes: the driver's socket,
	// the registration and the mounts of pods lie below it. Default
	// /var/lib/kubelet, which the schema does not write into the object.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9_.-]+)+$')",message="kubeletRootDir must be absolute, not the root directory, without a slash at its end, and of letters, digits and _.- only"
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(c, c == '.' || c == '..')",message="kubeletRootDir may not contain . or .."
	KubeletRootDir string `json:"kubeletRootDir,omitempty"`

	// images says where all images come from and how they are pulled.
	// +optional
	Images ImagesSpec `json:"images,omitzero"`

	// sidecars are settings of sidecar containers, by role; controller.sidecars and
	// nodes[].sidecars win over them.
	// +optional
	Sidecars SidecarsSpec `json:"sidecars,omitzero"`

	// storageClasses are the classes of this driver. Omitted: for the bundled driver
	// one class, named like this object, binding on first consumer, expandable, not
	// the default class; for others none. An empty list: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.filter(c, has(c.default) && c.default).size() <= 1",message="two classes cannot be the default class: keep one default"
	StorageClasses []StorageClass `json:"storageClasses,omitzero"`

	// volumeSnapshotClasses are the VolumeSnapshotClasses of this driver. They wait
	// until the cluster serves snapshot.storage.k8s.io/v1.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.filter(c, has(c.default) && c.default).size() <= 1",message="two snapshot classes cannot be the driver's default: keep one default"
	VolumeSnapshotClasses []VolumeSnapshotClass `json:"volumeSnapshotClasses,omitempty"`

	// volumeGroupSnapshotClasses are the VolumeGroupSnapshotClasses of this driver.
	// They wait until the cluster serves groupsnapshot.storage.k8s.io/v1.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.filter(c, has(c.default) && c.default).size() <= 1",message="two group snapshot classes cannot be the driver's default: keep one default"
	VolumeGroupSnapshotClasses []VolumeGroupSnapshotClass `json:"volumeGroupSnapshotClasses,omitempty"`

	// volumeAttributesClasses are the VolumeAttributesClasses of this driver.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	VolumeAttributesClasses []VolumeAttributesClass `json:"volumeAttributesClasses,omitempty"`

	// rbac are rights that the driver itself needs, beside those of the sidecars.
	// +optional
	RBAC RBACSpec `json:"rbac,omitzero"`

	// storageCapacity has csi-provisioner publish CSIStorageCapacity objects, by
	// which the scheduler avoids nodes without room: the field of the CSIDriver
	// object, the flags, the environment and the rights. Needs
	// Controller/GET_CAPACITY. Default false.
	// +optional
	StorageCapacity *bool `json:"storageCapacity,omitempty"`

	// rollout says how changed node pods replace old ones; nodes[].rollout wins.
	// +optional
	Rollout RolloutSpec `json:"rollout,omitzero"`

	// startupTaint keeps pods off a node until the driver works there.
	// +optional
	StartupTaint StartupTaintSpec `json:"startupTaint,omitzero"`
}

// Layout says which pods a driver has.
// +kubebuilder:validation:Enum=Split;SinglePod
type Layout string

const (
	// LayoutSplit has a controller workload and node pools.
	LayoutSplit Layout = "Split"
	// LayoutSinglePod has one workload that serves controller and node.
	LayoutSinglePod Layout = "SinglePod"
)

// RBACSpec are rights of the driver itself. The operator can grant only what it
// holds: see docs/operator.md for how to give it more.
type RBACSpec struct {
	// controller are rules of a ClusterRole for the account of the controller pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Controller []rbacv1.PolicyRule `json:"controller,omitempty"`

	// node are rules of a ClusterRole for the accounts of the node pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Node []rbacv1.PolicyRule `json:"node,omitempty"`

	// controllerNamespace are rules of a Role in the namespace of the pods, for the
	// account of the controller pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	ControllerNamespace []rbacv1.PolicyRule `json:"controllerNamespace,omitempty"`

	// nodeNamespace are rules of a Role in the namespace of the pods, for the accounts
	// of the node pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	NodeNamespace []rbacv1.PolicyRule `json:"nodeNamespace,omitempty"`
}

// ManagementState says how far the operator goes.
// +kubebuilder:validation:Enum=Managed;Plan;Unmanaged
type ManagementState string

const (
	// Managed lets the operator install, heal and remove.
	Managed ManagementState = "Managed"
	// PlanOnly lets the operator tell what it would do.
	PlanOnly ManagementState = "Plan"
	// Unmanaged lets the operator do nothing.
	Unmanaged ManagementState = "Unmanaged"
)

// DriverSource says where the driver comes from.
// +kubebuilder:validation:Enum=Bundled;Custom
type DriverSource string

const (
	// SourceBundled is the pool driver that ships with the operator.
	SourceBundled DriverSource = "Bundled"
	// SourceCustom is any other driver, by its image.
	SourceCustom DriverSource = "Custom"
)

// BundledMode is the way in which the bundled driver keeps volumes.
// +kubebuilder:validation:Enum=Shared
type BundledMode string

// BundledShared keeps volumes in one directory that every node mounts at the
// same path; a volume follows its pod from node to node by attach and detach.
const BundledShared BundledMode = "Shared"

// BundledDriver configures the pool driver.
type BundledDriver struct {
	// mode is Shared: the pool lies on a file system that all nodes mount at
	// path. Immutable.
	// +required
	Mode BundledMode `json:"mode"`

	// path is the directory of the pool, the same on every node: absolute,
	// without "." or "..", of letters, digits and "_.-". Immutable.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9_.-]+)+$')",message="path must be absolute, not the root directory, without a slash at its end, and of letters, digits and _.- only"
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(c, c == '.' || c == '..')",message="path may not contain . or .."
	// +kubebuilder:validation:XValidation:rule="!['/home','/media','/mnt','/opt','/root','/srv','/tmp','/var','/var/lib'].exists(p, self == p)",message="path is a directory of the system; choose one below it that holds nothing but the pool"
	// +kubebuilder:validation:XValidation:rule="!['/bin/','/boot/','/csi/','/dev/','/etc/','/lib/','/lib64/','/proc/','/run/','/sbin/','/sys/','/usr/','/var/cache/','/var/lib/containerd/','/var/lib/docker/','/var/lib/etcd/','/var/lib/kubelet/','/var/log/','/var/run/','/var/spool/','/var/tmp/'].exists(p, (self + '/').startsWith(p))",message="path lies in a directory of the system that cannot hold a pool; choose another one"
	Path string `json:"path"`
}
