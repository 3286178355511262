// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// revisions is how many old templates can be rolled back to.
const revisions = 3

// deployment serves the CSI controller service. The driver is root, because
// the pool belongs to root, and has no capability; the sidecars reach its
// socket by their group.
func deployment(in inputs) *appsv1.Deployment {
	p := in.controller
	selector := workloadSelector(in.driver, p.component)
	return &appsv1.Deployment{
		TypeMeta:   kind(appsv1.SchemeGroupVersion, "Deployment"),
		ObjectMeta: in.namespaced(p.name, p.component),
		Spec: appsv1.DeploymentSpec{
			Replicas:             new(in.replicas),
			RevisionHistoryLimit: new(int32(revisions)),
			Selector:             selector,
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxSurge:       new(intstr.FromInt32(0)),
					MaxUnavailable: new(intstr.FromInt32(1)),
				},
			},
			Template: template(in, p,
				priorityClass("system-cluster-critical"),
				tolerate(corev1.Toleration{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists}),
				spreadOverNodes(selector.DeepCopy()),
				groupOfVolumes(nonRoot),
				emptyVolume(volumeSocket),
				hostVolume(volumePool, in.pool, corev1.HostPathDirectoryOrCreate),
				containers(bundledDriver(in, p, args("--controller"), unprivileged(root))),
				containers(sidecarContainers(in, p, unprivileged(nonRoot))...),
			),
		},
	}
}

// daemonSet serves the CSI node service on every node, whatever its taints.
// Its sidecars are root, because the socket on the node is root's. Old and new
// pod of a node would fight for that socket, therefore no surge.
func daemonSet(in inputs) *appsv1.DaemonSet {
	p := in.node
	return &appsv1.DaemonSet{
		TypeMeta:   kind(appsv1.SchemeGroupVersion, "DaemonSet"),
		ObjectMeta: in.namespaced(p.name, p.component),
		Spec: appsv1.DaemonSetSpec{
			RevisionHistoryLimit: new(int32(revisions)),
			Selector:             workloadSelector(in.driver, p.component),
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{
				Type: appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{
					MaxSurge:       new(intstr.FromInt32(0)),
					MaxUnavailable: new(intstr.FromString("10%")),
				},
			},
			Template: template(in, p,
				// An autoscaler that evicted it first could unmount nothing.
				annotate("cluster-autoscaler.kubernetes.io/enable-ds-eviction", "false"),
				priorityClass("system-node-critical"),
				tolerate(corev1.Toleration{Operator: corev1.TolerationOpExists}),
				stopWithin(30),
				hostVolume(volumeSocket, in.pluginDir(), corev1.HostPathDirectoryOrCreate),
				hostVolume(sidecar.VolumeRegistration, in.kubeletDir+"/plugins_registry", corev1.HostPathDirectory),
				hostVolume(volumePods, in.kubeletDir+"/pods", corev1.HostPathDirectory),
				hostVolume(volumePlugins, in.kubeletDir+"/plugins", corev1.HostPathDirectory),
				hostVolume(volumeDevices, "/dev", corev1.HostPathDirectory),
				hostVolume(volumePool, in.pool, corev1.HostPathDirectoryOrCreate),
				containers(nodeDriver(in, p)),
				containers(sidecarContainers(in, p, unprivileged(root))...),
			),
		},
	}
}

// nodeDriver is the driver where it mounts.
func nodeDriver(in inputs, p part) corev1.Container {
	return bundledDriver(in, p,
		args("--node", "--node-id=$(KUBE_NODE_NAME)", "--state-dir="+socketDir+"/state"),
		mount(
			sharedMount(volumePods, in.kubeletDir+"/pods"),
			sharedMount(volumePlugins, in.kubeletDir+"/plugins"),
			corev1.VolumeMount{Name: volumeDevices, MountPath: "/dev"},
		),
		privileged,
	)
}
