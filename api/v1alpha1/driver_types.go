// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DriverSpec sets the driver container. What stands nearer to the pod wins: of lists
// with a key the elements of one key, of others the whole list.
type DriverSpec struct {
	// image of the driver.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// args of the driver, the whole command line. $(CSI_ENDPOINT) and other names of
	// the environment are expanded by Kubernetes. Refused for the bundled driver.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	Args []string `json:"args,omitzero"`

	// env of the container. CSI_ENDPOINT, KUBE_NODE_NAME, POD_NAME and POD_NAMESPACE
	// are there unless they are named here or injectEnv is false.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Env []corev1.EnvVar `json:"env,omitempty"`

	// injectEnv false leaves out the environment that the operator adds.
	// +optional
	InjectEnv *bool `json:"injectEnv,omitempty"`

	// envFrom of the container.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	EnvFrom []corev1.EnvFromSource `json:"envFrom,omitzero"`

	// resources of the container. Omitted: requests of 10m CPU and 32Mi memory.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// ports of the container, beside that of its health.
	// +optional
	// +listType=map
	// +listMapKey=containerPort
	// +listMapKey=protocol
	// +kubebuilder:validation:MaxItems=16
	Ports []corev1.ContainerPort `json:"ports,omitempty"`

	// container is a fragment of a Container, decoded strictly: an unknown field is
	// SpecValid=False with its path, and null is refused (use remove).
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Container *runtime.RawExtension `json:"container,omitempty"`

	// remove takes inherited fields of the container away before container is
	// merged: livenessProbe, securityContext.capabilities, env[NAME],
	// volumeMounts[/path].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	Remove []string `json:"remove,omitempty"`
}
