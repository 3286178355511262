// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// podEdit sets one thing of a pod.
type podEdit func(*corev1.PodTemplateSpec)

// template is what both workloads' pods have in common, then edits, then what
// the CSIDriverDeployment says about the pod.
func template(in inputs, p part, edits ...podEdit) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: Labels(in.driver, p.component)},
		Spec: corev1.PodSpec{
			ServiceAccountName: p.name,
			EnableServiceLinks: new(false),
			NodeSelector:       map[string]string{corev1.LabelOSStable: string(corev1.Linux)},
			SecurityContext: &corev1.PodSecurityContext{
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	for _, edit := range edits {
		edit(&t)
	}
	in.images.pulled(&t)
	p.pod.apply(&t.Spec)
	return t
}

// workloadSelector finds the pods of one component. It cannot be changed once
// a workload exists, therefore it is no more than the ownership labels.
func workloadSelector(driver, component string) *metav1.LabelSelector {
	l := Selector(driver)
	l[v1alpha1.LabelComponent] = component
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
// are enough.
func spreadOverNodes(selector *metav1.LabelSelector) podEdit {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight: 100,
				PodAffinityTerm: corev1.PodAffinityTerm{
					LabelSelector: selector,
					TopologyKey:   corev1.LabelHostname,
				},
			}},
		}}
	}
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

func emptyVolume(name string) podEdit {
	return volume(name, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
}

func hostVolume(name, path string, must corev1.HostPathType) podEdit {
	return volume(name, corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: new(must)}})
}

func volume(name string, source corev1.VolumeSource) podEdit {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	}
}
