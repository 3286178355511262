// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Paths inside and outside of the pods.
const (
	socketDir  = "/csi"
	socketFile = "csi.sock"
	endpoint   = "unix://" + sidecar.SocketPath
)

// defaultKubeletDir is where kubelets keep their files unless they are told otherwise.
const defaultKubeletDir = "/var/lib/kubelet"

// pluginDir is the driver's directory on the node. It holds the socket that
// kubelet calls and the driver's records of what it mounted.
func (in inputs) pluginDir() string { return in.kubeletDir + "/plugins/" + in.driver }

// Names of volumes.
const (
	volumeSocket  = "socket"
	volumePool    = "pool"
	volumePods    = "pods"
	volumePlugins = "plugins"
	volumeDevices = "dev"
)

// Uids and gids of containers.
const (
	root    = 0
	nonRoot = 65532
)

// bundledDriver is the pool driver's container, as both workloads have it,
// then edits.
func bundledDriver(in inputs, p part, edits ...containerEdit) corev1.Container {
	return container(v1alpha1.DriverContainer, in.image, slices.Concat([]containerEdit{
		args(
			"--endpoint="+endpoint,
			"--driver-name="+in.driver,
			"--mode="+string(in.mode),
			"--pool-path="+in.pool,
			"--v=2",
		),
		env(corev1.EnvVar{Name: "CSI_ENDPOINT", Value: endpoint}),
		env(podField("KUBE_NODE_NAME", "spec.nodeName")),
		env(podField("POD_NAME", "metadata.name")),
		env(podField("POD_NAMESPACE", "metadata.namespace")),
		port("healthz", sidecar.DriverHealthPort),
		liveness(driverProbe()),
		resources(p.driverResources),
		mount(corev1.VolumeMount{Name: volumeSocket, MountPath: socketDir}),
		mount(poolMount(in)),
	}, edits)...)
}

// driverProbe asks livenessprobe, which asks the driver.
func driverProbe() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: sidecar.DriverHealthPath, Port: intstr.FromString("healthz")},
		},
		InitialDelaySeconds: 10,
		TimeoutSeconds:      3,
		PeriodSeconds:       10,
		FailureThreshold:    5,
	}
}

// poolMount has the path of the node, because volumes refer to it. Mounts
// made there later are seen, so that a file system may come after the pod.
func poolMount(in inputs) corev1.VolumeMount {
	return corev1.VolumeMount{
		Name:             volumePool,
		MountPath:        in.pool,
		MountPropagation: new(corev1.MountPropagationHostToContainer),
	}
}

// sharedMount has the path of the node, and what the container mounts there
// appears on the node and in other pods.
func sharedMount(name, path string) corev1.VolumeMount {
	return corev1.VolumeMount{
		Name:             name,
		MountPath:        path,
		MountPropagation: new(corev1.MountPropagationBidirectional),
	}
}

func podField(name, path string) corev1.EnvVar {
	return corev1.EnvVar{
		Name: name,
		ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
		},
	}
}
