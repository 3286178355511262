// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// StartupTaintSpec is about a taint that nodes have until the driver works on them. Who
// registers the nodes gives it to them, with whatever effect and value.
type StartupTaintSpec struct {
	// enabled has the operator take the taint off a node once the driver works there: the
	// CSINode of this very node lists it, and its pod is ready. Default false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// key of the taint, a qualified name: <prefix>/<name> or <name>, the prefix a DNS
	// subdomain. Prefixes of kubernetes.io belong to Kubernetes, but for
	// startup-taint.cluster-autoscaler.kubernetes.io. Default
	// <metadata.name>/agent-not-ready, which the schema does not write into the object.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="key must be a qualified name such as example.com/agent-not-ready: a DNS subdomain and a slash, or neither, and at most 63 letters, digits and -_. that begin and end with a letter or digit"
	Key string `json:"key,omitempty"`

	// retaint has the operator give the taint back, with the effect NoSchedule and the
	// value "lost", to a node on which the driver worked and has not for 60 seconds.
	// Default false.
	// +optional
	Retaint bool `json:"retaint,omitempty"`
}
