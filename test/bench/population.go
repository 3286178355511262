// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// The functions of this file make objects as large as those of a real cluster: what of
// them an operator keeps, and what it only decodes, is what is measured.

// nodeImages is how many images kubelet tells of at most.
const nodeImages = 50

func ownNode(i int) string { return fmt.Sprintf("worker-%04d.example.com", i) }

// fullNode is a Node as kubelet and a cloud's controllers write it.
func fullNode(i int) *corev1.Node {
	name := ownNode(i)
	zone := fmt.Sprintf("region-1%c", 'a'+rune(i%3))
	resources := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("65536Mi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("200Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
				"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
				corev1.LabelInstanceTypeStable: "standard-16", corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: "region-1",
				"node.kubernetes.io/pool": fmt.Sprintf("pool-%d", i%10), "topology.disk.csi.example.com/zone": zone,
			},
			Annotations: map[string]string{
				"csi.volume.kubernetes.io/nodeid": fmt.Sprintf(`{"disk.csi.example.com":%q,"file.csi.example.com":%q}`, name, name),
				"node.alpha.kubernetes.io/ttl":    "15", "volumes.kubernetes.io/controller-managed-attach-detach": "true",
			},
		},
		Spec: corev1.NodeSpec{PodCIDR: address(10, i, 0) + "/24", PodCIDRs: []string{address(10, i, 0) + "/24"}, ProviderID: "cloud:///" + zone + "/" + name},
		Status: corev1.NodeStatus{
			Capacity: resources, Allocatable: resources, Conditions: nodeConditions(metav1.Now()),
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address(172, i, 4)}, {Type: corev1.NodeHostName, Address: name}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: fmt.Sprintf("%032x", i), SystemUUID: fmt.Sprintf("%08x-0000-0000-0000-000000000000", i), BootID: fmt.Sprintf("%08x-0000-0000-0000-000000000001", i),
				KernelVersion: "6.12.0-cloud", OSImage: "Linux 13", ContainerRuntimeVersion: "containerd://2.1.4",
				KubeletVersion: "v1.37.2", OperatingSystem: "linux", Architecture: "amd64",
			},
		},
	}
	for n := range nodeImages {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names: []string{
				fmt.Sprintf("registry.example.com/team-%d/app-%d@sha256:%064x", n%7, n, n),
				fmt.Sprintf("registry.example.com/team-%d/app-%d:v1.%d.%d", n%7, n, n, i%10),
			},
			SizeBytes: int64(50_000_000 + n),
		})
	}
	return node
}

// nodeConditions are those of a node that is well.
func nodeConditions(beat metav1.Time) []corev1.NodeCondition {
	good := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: beat, LastTransitionTime: begun()}
	}
	return []corev1.NodeCondition{
		good(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
		good(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
		good(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
		good(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
	}
}

// begun is when everything in the cluster began.
func begun() metav1.Time { return metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) }

// address is one of the addresses of a node, by its last byte.
func address(network, i, last int) string {
	return fmt.Sprintf("%d.%d.%d.%d", network, i/250, i%250, last)
}

// nodeLease is the Lease by which a node shows that it lives.
func nodeLease(node *corev1.Node) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: node.Name, OwnerReferences: ownedBy(node)},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new(node.Name), LeaseDurationSeconds: new(int32(40)), RenewTime: new(metav1.NowMicro()),
		},
	}
}

func ownedBy(node *corev1.Node) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
}

// ownCSINode lists a driver behind two of others.
func ownCSINode(node *corev1.Node, driver string) *storagev1.CSINode {
	n := foreignCSINode(node.Name)
	n.OwnerReferences = ownedBy(node)
	n.Annotations = map[string]string{"storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/gce-pd"}
	n.Spec.Drivers = append(n.Spec.Drivers, storagev1.CSINodeDriver{Name: driver, NodeID: node.Name})
	return n
}

// daemonPod is the pod that a DaemonSet's controller makes for a node, and which the
// scheduler has bound to it.
func daemonPod(set *appsv1.DaemonSet, i int) *corev1.Pod {
	node := ownNode(i)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: fmt.Sprintf("%s-%05d", set.Name, i),
			Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: "5d5c7f9b84", appsv1.DeprecatedTemplateGeneration: "1"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "DaemonSet", Name: set.Name, UID: set.UID, Controller: new(true), BlockOwnerDeletion: new(true),
			}},
		},
		Spec: *set.Spec.Template.Spec.DeepCopy(),
	}
	for name, value := range set.Spec.Template.Labels {
		pod.Labels[name] = value
	}
	pod.Spec.NodeName = node
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}},
	}}
	return pod
}

// podStatus is what kubelet tells of a pod whose containers run, or whose driver crashes.
func podStatus(pod *corev1.Pod, i int, crashes bool) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: address(172, i, 4), PodIP: address(10, i, 4), PodIPs: []corev1.PodIP{{IP: address(10, i, 4)}},
		StartTime: new(begun()), QOSClass: corev1.PodQOSBurstable,
	}
	for n, c := range pod.Spec.Containers {
		id := fmt.Sprintf("containerd://%032x%032x", i, n)
		one := corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: fmt.Sprintf("registry.example.com/image@sha256:%064x", n), ContainerID: id,
			Ready: true, Started: new(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: begun()}},
		}
		if crashes && c.Name == v1alpha1.DriverContainer {
			one.Ready, one.Started, one.RestartCount = false, new(false), 3
			one.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason:  "CrashLoopBackOff",
				Message: fmt.Sprintf("back-off 40s restarting failed container=%s pod=%s_%s(%s)", c.Name, pod.Name, pod.Namespace, pod.UID),
			}}
			one.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 1, Reason: "Error", Message: "cannot open the pool: input/output error\n", StartedAt: begun(), FinishedAt: metav1.Now(), ContainerID: id,
			}}
		}
		status.ContainerStatuses = append(status.ContainerStatuses, one)
	}
	status.Conditions = podConditions(crashes)
	return status
}

func podConditions(crashes bool) []corev1.PodCondition {
	var all []corev1.PodCondition
	for _, kind := range []corev1.PodConditionType{
		corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled,
	} {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: begun()}
		if crashes && (kind == corev1.PodReady || kind == corev1.ContainersReady) {
			c.Status, c.Reason, c.LastTransitionTime = corev1.ConditionFalse, "ContainersNotReady", metav1.Now()
			c.Message = "containers with unready status: [" + v1alpha1.DriverContainer + "]"
		}
		all = append(all, c)
	}
	return all
}
