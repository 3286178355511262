// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// SidecarsSpec are settings of sidecar containers, by role.
type SidecarsSpec struct {
	// defaults apply to every sidecar.
	// +optional
	Defaults SidecarDefaults `json:"defaults,omitzero"`

	// provisioner is csi-provisioner: claims become volumes.
	// +optional
	Provisioner *SidecarSpec `json:"provisioner,omitempty"`

	// attacher is csi-attacher: volumes are attached to nodes.
	// +optional
	Attacher *SidecarSpec `json:"attacher,omitempty"`

	// resizer is csi-resizer: volumes grow and change.
	// +optional
	Resizer *SidecarSpec `json:"resizer,omitempty"`

	// snapshotter is csi-snapshotter: snapshots, also of groups.
	// +optional
	Snapshotter *SidecarSpec `json:"snapshotter,omitempty"`

	// healthMonitor is csi-external-health-monitor-controller: events of volumes
	// that are in a bad condition.
	// +optional
	HealthMonitor *SidecarSpec `json:"healthMonitor,omitempty"`

	// nodeDriverRegistrar is csi-node-driver-registrar: kubelet knows the driver.
	// +optional
	NodeDriverRegistrar *SidecarSpec `json:"nodeDriverRegistrar,omitempty"`

	// livenessProbe is livenessprobe: a driver that hangs is restarted.
	// +optional
	LivenessProbe *SidecarSpec `json:"livenessProbe,omitempty"`
}

// SidecarDefaults apply to every sidecar.
type SidecarDefaults struct {
	// logLevel is --v of each sidecar. Default 2.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	LogLevel *int32 `json:"logLevel,omitempty"`

	// resources of each sidecar container. Omitted: requests of 10m CPU and
	// 20Mi memory.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// container is a fragment of a Container for each sidecar, decoded strictly.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Container *runtime.RawExtension `json:"container,omitempty"`

	// remove takes inherited fields of each sidecar that has them away.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	Remove []string `json:"remove,omitempty"`
}

// SidecarPlacement is the workload that a sidecar runs in.
// +kubebuilder:validation:Enum=Controller;Node
type SidecarPlacement string

const (
	// PlacementController is beside the controller service.
	PlacementController SidecarPlacement = "Controller"
	// PlacementNode is beside the node service, for volumes that are local to nodes.
	PlacementNode SidecarPlacement = "Node"
)

// SidecarSpec sets one sidecar.
type SidecarSpec struct {
	// enabled puts the sidecar in or leaves it out, whatever the capabilities say.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// placement Node runs provisioner or snapshotter beside the node service.
	// +optional
	Placement SidecarPlacement `json:"placement,omitempty"`

	// image takes the place of the catalogue's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// version is the release of the sidecar: the tag of the catalogue's image, or what
	// is in image where its tag does not tell.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^v[0-9]+\.[0-9]+\.[0-9]+([-.][A-Za-z0-9_.-]*)?$`
	Version string `json:"version,omitempty"`

	// timeout of calls to the driver, such as 60s.
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// featureGates of the sidecar by name.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	FeatureGates map[string]bool `json:"featureGates,omitempty"`

	// leaderElection lets one of several pods work.
	// +optional
	LeaderElection LeaderElectionSpec `json:"leaderElection,omitzero"`

	// extraArgs are flags as --name or --name=value; one takes the place of the
	// flag of that name. Port and probe follow --http-endpoint.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=1024
	// +kubebuilder:validation:items:Pattern=`^--[a-z]`
	ExtraArgs []string `json:"extraArgs,omitempty"`

	// resources of the container.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// socketMountPath is where this container sees the directory of the socket, if
	// it is not socket.mountPath.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SocketMountPath string `json:"socketMountPath,omitempty"`

	// container is a fragment of a Container, decoded strictly.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +mapType=atomic
	Container *runtime.RawExtension `json:"container,omitempty"`

	// remove takes inherited fields away before container is merged: livenessProbe,
	// args[--flag], env[NAME], volumeMounts[/path].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	Remove []string `json:"remove,omitempty"`
}

// LeaderElectionSpec lets one of several pods work.
type LeaderElectionSpec struct {
	// enabled false lets every pod work: for one replica only. Default true.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// leaseDuration is how long others wait before they take over.
	// +optional
	LeaseDuration *metav1.Duration `json:"leaseDuration,omitempty"`

	// renewDeadline is how long the leader tries to renew before it gives up.
	// +optional
	RenewDeadline *metav1.Duration `json:"renewDeadline,omitempty"`

	// retryPeriod is the time between attempts.
	// +optional
	RetryPeriod *metav1.Duration `json:"retryPeriod,omitempty"`
}
