// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// StorageClass is a storage.k8s.io/v1 StorageClass of this driver. The
// provisioner is the driver itself.
type StorageClass struct {
	// name of the StorageClass object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// default makes this the class of claims that name none.
	// +optional
	Default bool `json:"default,omitempty"`

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

	// allowedTopologies restrict where volumes are made.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	AllowedTopologies []corev1.TopologySelectorTerm `json:"allowedTopologies,omitempty"`

	// secrets are passed to the calls of the driver. They become parameters
	// csi.storage.k8s.io/*-secret-name and -namespace.
	// +optional
	Secrets StorageClassSecrets `json:"secrets,omitzero"`
}

// SecretReference names a Secret. Both fields may hold the templates that
// csi-provisioner knows: ${pv.name}, ${pvc.namespace}, and in name also ${pvc.name}
// and ${pvc.annotations['key']}.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// namespace of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Namespace string `json:"namespace"`
}

// StorageClassSecrets are the Secrets of a StorageClass, by the call that gets them.
type StorageClassSecrets struct {
	// default is for all calls that have none of their own.
	// +optional
	Default *SecretReference `json:"default,omitempty"`
	// provisioner is for CreateVolume and DeleteVolume.
	// +optional
	Provisioner *SecretReference `json:"provisioner,omitempty"`
	// controllerPublish is for ControllerPublishVolume and ControllerUnpublishVolume.
	// +optional
	ControllerPublish *SecretReference `json:"controllerPublish,omitempty"`
	// nodeStage is for NodeStageVolume.
	// +optional
	NodeStage *SecretReference `json:"nodeStage,omitempty"`
	// nodePublish is for NodePublishVolume.
	// +optional
	NodePublish *SecretReference `json:"nodePublish,omitempty"`
	// controllerExpand is for ControllerExpandVolume.
	// +optional
	ControllerExpand *SecretReference `json:"controllerExpand,omitempty"`
	// nodeExpand is for NodeExpandVolume.
	// +optional
	NodeExpand *SecretReference `json:"nodeExpand,omitempty"`
	// controllerModify is for ControllerModifyVolume.
	// +optional
	ControllerModify *SecretReference `json:"controllerModify,omitempty"`
}

// VolumeSnapshotClass is a snapshot.storage.k8s.io/v1 VolumeSnapshotClass of this
// driver.
type VolumeSnapshotClass struct {
	// name of the VolumeSnapshotClass object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// default makes this the class of snapshots of this driver that name none.
	// +optional
	Default bool `json:"default,omitempty"`

	// deletionPolicy says what becomes of a snapshot whose object is deleted. Default
	// Delete.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// parameters are passed to CreateSnapshot.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Parameters map[string]string `json:"parameters,omitempty"`

	// secrets are passed to the calls of the driver.
	// +optional
	Secrets SnapshotSecrets `json:"secrets,omitzero"`
}

// SnapshotSecrets are the Secrets of a VolumeSnapshotClass, by the call that gets them.
type SnapshotSecrets struct {
	// snapshotter is for CreateSnapshot and DeleteSnapshot.
	// +optional
	Snapshotter *SecretReference `json:"snapshotter,omitempty"`
	// snapshotterList is for ListSnapshots.
	// +optional
	SnapshotterList *SecretReference `json:"snapshotterList,omitempty"`
}

// VolumeGroupSnapshotClass is a groupsnapshot.storage.k8s.io/v1
// VolumeGroupSnapshotClass of this driver. All of it is immutable in Kubernetes.
type VolumeGroupSnapshotClass struct {
	// name of the VolumeGroupSnapshotClass object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// default makes this the class of group snapshots of this driver that name none.
	// +optional
	Default bool `json:"default,omitempty"`

	// deletionPolicy says what becomes of the snapshots of a group whose object is
	// deleted. Default Delete.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// parameters are passed to CreateVolumeGroupSnapshot.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Parameters map[string]string `json:"parameters,omitempty"`

	// secrets are passed to the calls of the driver.
	// +optional
	Secrets GroupSnapshotSecrets `json:"secrets,omitzero"`
}

// GroupSnapshotSecrets are the Secrets of a VolumeGroupSnapshotClass, by the call that
// gets them.
type GroupSnapshotSecrets struct {
	// groupSnapshotter is for CreateVolumeGroupSnapshot and its deletion.
	// +optional
	GroupSnapshotter *SecretReference `json:"groupSnapshotter,omitempty"`
	// groupSnapshotterGet is for GetVolumeGroupSnapshot.
	// +optional
	GroupSnapshotterGet *SecretReference `json:"groupSnapshotterGet,omitempty"`
}

// DeletionPolicy says what becomes of the storage behind a deleted object.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

const (
	// DeletionPolicyDelete deletes it.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain keeps it.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// VolumeAttributesClass is a storage.k8s.io/v1 VolumeAttributesClass of this driver.
// All of it is immutable in Kubernetes.
type VolumeAttributesClass struct {
	// name of the VolumeAttributesClass object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// parameters are passed to ControllerModifyVolume.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	Parameters map[string]string `json:"parameters"`
}
