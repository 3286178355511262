// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// WorkloadKind is the kind of the controller workload.
// +kubebuilder:validation:Enum=Deployment;StatefulSet
type WorkloadKind string

const (
	// KindDeployment runs the controller pods by a Deployment.
	KindDeployment WorkloadKind = "Deployment"
	// KindStatefulSet runs them by a StatefulSet.
	KindStatefulSet WorkloadKind = "StatefulSet"
)

// ControllerSpec is the workload that serves the CSI controller service.
type ControllerSpec struct {
	// disabled leaves the workload out, for drivers without a controller service
	// and for those whose sidecars run beside the node service.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// kind of the workload. When it changes, the old workload is gone before the
	// new one starts. Default Deployment.
	// +optional
	Kind WorkloadKind `json:"kind,omitempty"`

	// replicas is how many controller pods run; each sidecar elects one leader.
	// Default 2; 1 for layout SinglePod and where a sidecar elects no leader.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Replicas *int32 `json:"replicas,omitempty"`

	// strategy says how changed pods replace old ones.
	// +optional
	Strategy ControllerStrategy `json:"strategy,omitzero"`

	// podDisruptionBudget limits how many pods are evicted at once. Default: one,
	// where there is more than one pod.
	// +optional
	PodDisruptionBudget PodDisruptionBudget `json:"podDisruptionBudget,omitzero"`

	// kubeletMounts are directories of the kubelet that the driver container mounts
	// for the whole node, which makes it privileged. Default none; for layout
	// SinglePod pods and plugins.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=16
	KubeletMounts []KubeletMount `json:"kubeletMounts,omitzero"`

	Part `json:",inline"`
}

// NodePool is a set of nodes whose node plugins are configured alike.
type NodePool struct {
	// name of the pool; the component in labels and status rows.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self != 'controller'",message="a pool cannot be called controller"
	Name string `json:"name"`

	// os of the nodes. Default linux.
	// +optional
	// +kubebuilder:validation:Enum=linux;windows
	OS corev1.OSName `json:"os,omitempty"`

	// kubeletRootDir of these nodes, if it is not spec.kubeletRootDir: absolute, on
	// Windows with a drive, such as C:\var\lib\kubelet.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KubeletRootDir string `json:"kubeletRootDir,omitempty"`

	// kubeletMounts are directories of the kubelet that the driver container mounts
	// for the whole node. Default pods and plugins; on Windows the whole root.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=16
	KubeletMounts []KubeletMount `json:"kubeletMounts,omitzero"`

	// rollout of this pool, if it is not spec.rollout.
	// +optional
	Rollout RolloutSpec `json:"rollout,omitzero"`

	Part `json:",inline"`
}

// DefaultNodePool is the name of the pool that exists where spec.nodes is omitted.
const DefaultNodePool = "node"

// Part is what controller and node pools have in common.
type Part struct {
	// socket is where the driver listens.
	// +optional
	Socket SocketSpec `json:"socket,omitzero"`

	// driver sets the driver container of these pods.
	// +optional
	Driver DriverSpec `json:"driver,omitzero"`

	// pod is a fragment of a PodSpec for these pods. See docs/api.md for how fragments
	// are merged.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Pod *runtime.RawExtension `json:"pod,omitempty"`

	// sidecars are settings of the sidecars of these pods.
	// +optional
	Sidecars SidecarsSpec `json:"sidecars,omitzero"`

	// workloadName is the name of the workload, if it is not the operator's choice.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=52
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	WorkloadName string `json:"workloadName,omitempty"`

	// selectorLabels are the labels by which the workload finds its pods, if they
	// are not the operator's choice. They cannot be changed while it exists.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	SelectorLabels map[string]string `json:"selectorLabels,omitempty"`

	// serviceAccountName is the name of the ServiceAccount, if it is not the
	// operator's choice.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// serviceAccountAnnotations are put on the ServiceAccount, such as those by which
	// clouds give an identity to pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	ServiceAccountAnnotations map[string]string `json:"serviceAccountAnnotations,omitempty"`
}

// ControllerStrategy says how changed controller pods replace old ones.
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type == 'RollingUpdate' || (!has(self.maxUnavailable) && !has(self.maxSurge))",message="maxUnavailable and maxSurge belong to type RollingUpdate"
type ControllerStrategy struct {
	// type is RollingUpdate, Recreate (kind Deployment only) or OnDelete (kind
	// StatefulSet only). Default RollingUpdate.
	// +optional
	// +kubebuilder:validation:Enum=RollingUpdate;Recreate;OnDelete
	Type string `json:"type,omitempty"`

	// maxUnavailable is how many pods, or which share of them, may be missing during
	// a rolling update. Default 1.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[1-9]?[0-9])%$`
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// maxSurge is how many pods there may be beyond replicas during a rolling update
	// of a Deployment. Default 0.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[1-9]?[0-9])%$`
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`
}

// PodDisruptionBudget limits evictions of controller pods.
// +kubebuilder:validation:XValidation:rule="!has(self.maxUnavailable) || !has(self.minAvailable)",message="maxUnavailable and minAvailable exclude each other: keep one"
type PodDisruptionBudget struct {
	// disabled leaves the PodDisruptionBudget out.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// maxUnavailable is how many pods may be missing by eviction.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[1-9]?[0-9])%$`
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// minAvailable is how many pods eviction must leave.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[1-9]?[0-9])%$`
	MinAvailable *intstr.IntOrString `json:"minAvailable,omitempty"`

	// unhealthyPodEvictionPolicy says whether pods that are not ready may be evicted
	// beyond the budget. Default AlwaysAllow, so that a broken driver does not keep a
	// node from being drained.
	// +optional
	// +kubebuilder:validation:Enum=IfHealthyBudget;AlwaysAllow
	UnhealthyPodEvictionPolicy policyv1.UnhealthyPodEvictionPolicyType `json:"unhealthyPodEvictionPolicy,omitempty"`
}

// RolloutStrategy says how changed node pods replace old ones.
// +kubebuilder:validation:Enum=RollingUpdate;OnDelete
type RolloutStrategy string

const (
	// RolloutRollingUpdate replaces them some at a time.
	RolloutRollingUpdate RolloutStrategy = "RollingUpdate"
	// RolloutOnDelete replaces a pod when somebody deletes it.
	RolloutOnDelete RolloutStrategy = "OnDelete"
)

// RolloutSpec says how changed node pods replace old ones. The old pod of a node
// always goes before the new one comes: both would listen on one socket.
// +kubebuilder:validation:XValidation:rule="!has(self.strategy) || self.strategy != 'OnDelete' || !has(self.maxUnavailable)",message="maxUnavailable belongs to strategy RollingUpdate"
type RolloutSpec struct {
	// strategy is RollingUpdate, or OnDelete: a pod is replaced when somebody deletes
	// it. Default RollingUpdate.
	// +optional
	Strategy RolloutStrategy `json:"strategy,omitempty"`

	// maxUnavailable is how many nodes, or which share of them, may be without the
	// driver at once. Default 10%.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[1-9][0-9]?)%$`
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// KubeletMount is a directory of the kubelet that the driver container mounts at
// its own path, with Bidirectional propagation on Linux.
type KubeletMount struct {
	// path below kubeletRootDir, such as pods or plugins; empty for the root itself.
	// +required
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*)?$`
	Path string `json:"path"`

	// type of the host path. Default Directory.
	// +optional
	// +kubebuilder:validation:Enum=Directory;DirectoryOrCreate
	Type corev1.HostPathType `json:"type,omitempty"`
}

// SocketSpec is where the driver listens. Endpoints and mounts follow from it.
type SocketSpec struct {
	// dir is the directory of the socket on the node: absolute, or below
	// kubeletRootDir. Default: plugins/<name of this object> for nodes and layout
	// SinglePod; for the controller none, but a directory of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Dir string `json:"dir,omitempty"`

	// file is the name of the socket. Default csi.sock.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`
	File string `json:"file,omitempty"`

	// mountPath is where the containers see dir. Default /csi; on Windows C:\csi.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	MountPath string `json:"mountPath,omitempty"`
}
