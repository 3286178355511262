// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import corev1 "k8s.io/api/core/v1"

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
