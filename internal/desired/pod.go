// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Names of volumes.
const (
	volumeSocket  = "socket"
	volumePool    = "pool"
	volumeDevices = "dev"
)

// kubeletVolume is the name of the volume of a directory of the kubelet.
func kubeletVolume(below string) string {
	name := strings.Trim(strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ".", "-").Replace(below)), "-")
	switch {
	case name == "":
		return "kubelet"
	case len(name) > maxVolumeName || slices.Contains([]string{volumeSocket, volumePool, volumeDevices, sidecar.VolumeRegistration}, name):
		return "kubelet-" + digest(below)[:stemHash]
	default:
		return name
	}
}

// maxVolumeName is the limit of Kubernetes.
const maxVolumeName = 63

// podEdit sets one thing of a pod.
type podEdit func(*corev1.PodTemplateSpec)

// renderPod makes the pods of a part: what the catalogue knows, then what the spec says.
func (in *inputs) renderPod(p part) (corev1.PodTemplateSpec, error) {
	driver, err := in.driverContainer(p)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	sidecars, err := in.sidecarContainers(p)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	if in.inspects(p) {
		sidecars = append(sidecars, in.inspector(p))
	}
	in.letReachSocket(driver, sidecars)
	t := template(in.driver, p, append(in.podDefaults(p),
		volumes(in.volumesOf(p)...), containers(driver), containers(sidecars...))...)
	if t, err = in.fragmented(t, p.podLayers); err != nil {
		return t, err
	}
	if err := checkPod(in.driver, p, t); err != nil {
		return t, err
	}
	return t, in.images.moveAll(&t.Spec)
}

// template is what all pods have in common, then edits.
func template(driver string, p part, edits ...podEdit) corev1.PodTemplateSpec {
	labels := Labels(driver, p.component)
	maps.Copy(labels, p.SelectorLabels)
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{
			ServiceAccountName: p.accountName(),
			EnableServiceLinks: new(false),
			NodeSelector:       map[string]string{corev1.LabelOSStable: string(p.os)},
			SecurityContext: &corev1.PodSecurityContext{
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	if p.windows() {
		t.Spec.SecurityContext = nil
	}
	for _, edit := range edits {
		edit(&t)
	}
	return t
}

// podDefaults are what pods have unless the spec says otherwise. A controller pod goes
// where it survives, a node pod everywhere.
func (in *inputs) podDefaults(p part) []podEdit {
	if p.kind == kindDaemonSet {
		return []podEdit{
			// An autoscaler that evicted it first could unmount nothing.
			annotate("cluster-autoscaler.kubernetes.io/enable-ds-eviction", "false"),
			priorityClass("system-node-critical"),
			tolerate(corev1.Toleration{Operator: corev1.TolerationOpExists}),
			stopWithin(30),
		}
	}
	edits := []podEdit{
		priorityClass("system-cluster-critical"),
		tolerate(corev1.Toleration{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists}),
		in.tolerateTaint(),
		spreadOverNodes(in.selectorOf(p), p.hostNetwork || p.socket.dir != ""),
	}
	if in.bundled {
		// Sidecars reach the driver's socket by their group.
		edits = append(edits, groupOfVolumes(nonRoot))
	}
	return edits
}

// volumesOf are the volumes of a part's pods.
func (in *inputs) volumesOf(p part) []corev1.Volume {
	list := []corev1.Volume{{Name: volumeSocket, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	if p.socket.dir != "" {
		list[0] = hostVolume(volumeSocket, p.socket.dir, corev1.HostPathDirectoryOrCreate)
	}
	if p.runs(sidecar.NodeDriverRegistrar) {
		list = append(list, hostVolume(sidecar.VolumeRegistration, join(p.os, p.kubelet, "plugins_registry"), corev1.HostPathDirectory))
	}
	for _, m := range p.mounts {
		must := m.Type
		if must == "" {
			must = corev1.HostPathDirectory
		}
		list = append(list, hostVolume(kubeletVolume(m.Path), join(p.os, p.kubelet, m.Path), must))
	}
	if in.bundled && p.serve(sidecar.Node) {
		list = append(list, hostVolume(volumeDevices, "/dev", corev1.HostPathDirectory))
	}
	if in.bundled {
		list = append(list, hostVolume(volumePool, in.pool, corev1.HostPathDirectoryOrCreate))
	}
	return list
}

// readPodLayers reads what the spec says about the pods of a part.
func readPodLayers(shared *runtime.RawExtension, p part) ([]layer, error) {
	var layers []layer
	for _, from := range []struct {
		field string
		raw   *runtime.RawExtension
	}{{"spec.pod", shared}, {p.field + ".pod", p.Pod}} {
		fragment, err := decodePod(from.field, from.raw)
		if err != nil {
			return nil, err
		}
		l := layer{field: from.field, fragment: fragment, anywhere: from.field == "spec.pod"}
		var paths []string
		for _, path := range itemsOf(fragment["remove"]) {
			paths = append(paths, path.(string)) //nolint:forcetypeassert // it was decoded into strings
		}
		delete(fragment, "remove")
		if l.removals, err = readRemovals(from.field, paths); err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// wantsHostNetwork tells whether the pods share the network of the node.
func (p part) wantsHostNetwork() bool {
	on := false
	for _, l := range p.podLayers {
		for _, rm := range l.removals {
			on = on && (len(rm.steps) > 1 || rm.steps[0].field != "hostNetwork")
		}
		if given, ok := l.fragment["hostNetwork"].(bool); ok {
			on = given
		}
	}
	return on
}

// fragmented lays what the spec says over a pod. Labels and annotations stand beside
// the fields of the PodSpec there.
func (in *inputs) fragmented(t corev1.PodTemplateSpec, layers []layer) (corev1.PodTemplateSpec, error) {
	pod, err := treeOf(&podFragment{PodSpec: t.Spec, Labels: t.Labels, Annotations: t.Annotations})
	if err != nil {
		return t, err
	}
	for _, l := range layers {
		if pod, err = l.apply(pod, podFragment{}, in.found); err != nil {
			return t, err
		}
	}
	var out podFragment
	if err := into(pod, &out); err != nil {
		return t, err
	}
	t.Spec, t.Labels, t.Annotations = out.PodSpec, out.Labels, out.Annotations
	return t, nil
}

// selectorOf finds the pods of one part. It cannot be changed once a workload exists,
// therefore it is no more than the ownership labels, or what the spec says.
func (in *inputs) selectorOf(p part) *metav1.LabelSelector {
	if len(p.SelectorLabels) > 0 {
		return &metav1.LabelSelector{MatchLabels: maps.Clone(p.SelectorLabels)}
	}
	return in.ownPods(p)
}

// ownPods finds the pods of one part by the labels that are always theirs.
func (in *inputs) ownPods(p part) *metav1.LabelSelector {
	l := Selector(in.driver)
	l[v1alpha1.LabelComponent] = p.component
	return &metav1.LabelSelector{MatchLabels: l}
}

func annotate(key, value string) podEdit {
	return func(t *corev1.PodTemplateSpec) {
		t.Annotations = map[string]string{key: value}
	}
}

func priorityClass(name string) podEdit {
	return func(t *corev1.PodTemplateSpec) { t.Spec.PriorityClassName = name }
}

func tolerate(toleration corev1.Toleration) podEdit {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Tolerations = append(t.Spec.Tolerations, toleration)
	}
}

// spreadOverNodes keeps pods of one component on different nodes where there
// are enough; always where they must: two that serve one node want the same socket, and
// two in its network the same ports, and take each other for the leader, since both are
// called like the node.
func spreadOverNodes(selector *metav1.LabelSelector, must bool) podEdit {
	apart := corev1.PodAffinityTerm{LabelSelector: selector, TopologyKey: corev1.LabelHostname}
	terms := &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 100, PodAffinityTerm: apart}},
	}
	if must {
		terms = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{apart}}
	}
	return func(t *corev1.PodTemplateSpec) { t.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: terms} }
}

// groupOfVolumes makes emptyDir volumes belong to a group.
func groupOfVolumes(gid int64) podEdit {
	return func(t *corev1.PodTemplateSpec) { t.Spec.SecurityContext.FSGroup = new(gid) }
}

// stopWithin is how many seconds containers have between SIGTERM and SIGKILL.
func stopWithin(seconds int64) podEdit {
	return func(t *corev1.PodTemplateSpec) { t.Spec.TerminationGracePeriodSeconds = new(seconds) }
}

func containers(list ...corev1.Container) podEdit {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers = append(t.Spec.Containers, list...)
	}
}

func volumes(list ...corev1.Volume) podEdit {
	return func(t *corev1.PodTemplateSpec) { t.Spec.Volumes = append(t.Spec.Volumes, list...) }
}

func hostVolume(name, path string, must corev1.HostPathType) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: new(must)}}}
}
