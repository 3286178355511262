// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
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
	// ships with the operator. Immutable.
	// +optional
	// +kubebuilder:default=Bundled
	Source DriverSource `json:"source,omitempty"`

	// bundled configures the bundled driver.
	// +optional
	Bundled *BundledDriver `json:"bundled,omitempty"`

	// controller is the workload that serves the CSI controller service.
	// +optional
	Controller ControllerSpec `json:"controller,omitzero"`

	// nodes is the workload that serves the CSI node service, one item a node
	// pool. Default: one pool "node" on every Linux node.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1
	Nodes []NodePool `json:"nodes,omitempty"`

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

	// sidecars holds settings that all sidecar containers share.
	// +optional
	Sidecars SidecarsSpec `json:"sidecars,omitzero"`

	// storageClasses are the classes of this driver. Omitted: one class, named
	// like this object, binding on first consumer, expandable, not the default
	// class. An empty list: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	StorageClasses []StorageClass `json:"storageClasses,omitzero"`
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
// +kubebuilder:validation:Enum=Bundled
type DriverSource string

// SourceBundled is the pool driver that ships with the operator.
const SourceBundled DriverSource = "Bundled"

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

// ControllerSpec is the workload that serves the CSI controller service.
type ControllerSpec struct {
	// replicas is how many controller pods run; each sidecar elects one leader.
	// Default 2.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Replicas *int32 `json:"replicas,omitempty"`

	// driver sets the driver container of the controller pods.
	// +optional
	Driver DriverContainerSpec `json:"driver,omitzero"`

	// pod is a fragment of a PodSpec for the controller pods, decoded strictly: an
	// unknown field is SpecValid=False with its path, and null is refused (leave
	// the field out). Taken are nodeSelector, affinity, tolerations,
	// topologySpreadConstraints and priorityClassName; what is given replaces
	// the default of that field.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Pod *runtime.RawExtension `json:"pod,omitempty"`
}

// NodePool is a set of nodes whose node plugins are configured alike.
type NodePool struct {
	// name of the pool; the component in labels and status rows.
	// +required
	// +kubebuilder:validation:Enum=node
	Name string `json:"name"`

	// driver sets the driver container of the node pods.
	// +optional
	Driver DriverContainerSpec `json:"driver,omitzero"`

	// pod is a fragment of a PodSpec for the node pods, decoded strictly: an
	// unknown field is SpecValid=False with its path, and null is refused (leave
	// the field out). Taken are nodeSelector, affinity, tolerations,
	// topologySpreadConstraints and priorityClassName; what is given replaces
	// the default of that field.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Pod *runtime.RawExtension `json:"pod,omitempty"`
}

// DefaultNodePool is the name of the pool that exists where spec.nodes is omitted.
const DefaultNodePool = "node"

// DriverContainerSpec sets the driver container of one workload.
type DriverContainerSpec struct {
	// resources of the container. Omitted: requests of 10m CPU and 32Mi memory.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// ImagesSpec says where images come from and how they are pulled.
type ImagesSpec struct {
	// registry takes the place of the registry of every image, the driver's and the
	// sidecars': a host with an optional port and path, such as
	// mirror.example.com:5000/k8s. The path, tag and digest of an image stay.
	// Default: each image's own.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?)([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[0-9]{1,5})?(/[a-z0-9]+([._-][a-z0-9]+)*)*$')",message="images.registry must be a host with an optional port and path, in small letters, without a scheme and without a slash at its end, such as mirror.example.com:5000/k8s"
	// +kubebuilder:validation:XValidation:rule="self.split('/')[0].matches('[.:]') || self.split('/')[0] == 'localhost'",message="images.registry must begin with a host that has a dot or a port: others are taken for a path on docker.io"
	Registry string `json:"registry,omitempty"`

	// pullPolicy of every container. Default IfNotPresent.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	PullPolicy corev1.PullPolicy `json:"pullPolicy,omitempty"`

	// pullSecrets are Secrets in the namespace of the pods by which images are
	// pulled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	PullSecrets []PullSecret `json:"pullSecrets,omitempty"`
}

// PullSecret names a Secret of type kubernetes.io/dockerconfigjson.
type PullSecret struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// SidecarsSpec holds settings of sidecar containers.
type SidecarsSpec struct {
	// defaults apply to every sidecar container of both workloads.
	// +optional
	Defaults SidecarDefaults `json:"defaults,omitzero"`
}

// SidecarDefaults apply to every sidecar container.
type SidecarDefaults struct {
	// resources of each sidecar container. Omitted: requests of 10m CPU and
	// 20Mi memory.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// StorageClass is a storage.k8s.io/v1 StorageClass of this driver. The
// provisioner is the driver itself.
type StorageClass struct {
	// name of the StorageClass object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// parameters are passed to CreateVolume. The bundled driver takes
	// csi.storage.k8s.io/fstype: ext4 (default) or xfs. Immutable in Kubernetes.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Parameters map[string]string `json:"parameters,omitempty"`

	// mountOptions are given to every mount of the class's volumes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	MountOptions []string `json:"mountOptions,omitempty"`

	// reclaimPolicy is Delete or Retain. Default Delete. Immutable in Kubernetes.
	// +optional
	// +kubebuilder:validation:Enum=Delete;Retain
	ReclaimPolicy *corev1.PersistentVolumeReclaimPolicy `json:"reclaimPolicy,omitempty"`

	// volumeBindingMode is Immediate or WaitForFirstConsumer. Default Immediate,
	// as Kubernetes does. Immutable in Kubernetes.
	// +optional
	// +kubebuilder:validation:Enum=Immediate;WaitForFirstConsumer
	VolumeBindingMode *storagev1.VolumeBindingMode `json:"volumeBindingMode,omitempty"`

	// allowVolumeExpansion lets claims of the class grow. Default false, as
	// Kubernetes does.
	// +optional
	AllowVolumeExpansion *bool `json:"allowVolumeExpansion,omitempty"`
}
