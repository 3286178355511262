// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CSIDriverDeployment runs one CSI driver. Its metadata.name is the CSI driver
// name: what GetPluginInfo answers, what CSIDriver, CSINode and
// StorageClass.provisioner carry.
//
// Whoever may create one is root on every node: a CSI node plugin is privileged.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,path=csidriverdeployments,singular=csidriverdeployment,shortName=csidd,categories=csi
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Controller",type=string,JSONPath=`.status.controller.summary`
// +kubebuilder:printcolumn:name="Nodes",type=string,JSONPath=`.status.nodes.summary`
// +kubebuilder:printcolumn:name="Sidecars",type=string,JSONPath=`.status.sidecarSummary`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.driver.version`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name is the CSI driver name and may have at most 63 characters (PersistentVolumes refuse longer ones); choose a shorter name"
// +kubebuilder:validation:XValidation:rule="has(self.spec.bundled) || (has(self.spec.source) && self.spec.source == 'Custom')",message="spec.bundled is required: set spec.bundled.mode and spec.bundled.path; or name another driver by source Custom and driver.image"
type CSIDriverDeployment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what is wanted. The operator never writes it.
	// +optional
	// +kubebuilder:default={}
	Spec CSIDriverDeploymentSpec `json:"spec"`

	// status is what is there.
	// +optional
	// +kubebuilder:default={}
	Status CSIDriverDeploymentStatus `json:"status,omitzero"`
}

// CSIDriverDeploymentList is a list of CSIDriverDeployment.
//
// +kubebuilder:object:root=true
type CSIDriverDeploymentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CSIDriverDeployment `json:"items"`
}
