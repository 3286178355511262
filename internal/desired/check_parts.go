// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// checkParts refuses workloads that would share what only one can have.
func checkParts(in inputs) error {
	names := map[string]string{}
	for _, p := range in.parts {
		for _, taken := range [...]struct{ field, key string }{
			{p.field + ".workloadName", "workload " + p.workloadName()},
			{p.field + ".serviceAccountName", "account " + p.accountName()},
		} {
			if other, known := names[taken.key]; known {
				return invalid(taken.field, "%s has that name already; choose another one", other)
			}
			names[taken.key] = p.field
		}
	}
	if len(in.parts) == 0 {
		return invalid("spec.nodes", "there is nothing to run: the controller is disabled and there is no node pool")
	}
	return nil
}

// checkPod refuses pods that the API server would refuse, or that the operator could not
// find again.
func checkPod(p part, t corev1.PodTemplateSpec) error {
	switch {
	case t.Spec.ServiceAccountName != p.accountName():
		return invalid(p.field+".pod.serviceAccountName", "is refused; use %s.serviceAccountName", p.field)
	case t.Spec.RestartPolicy != "" && t.Spec.RestartPolicy != corev1.RestartPolicyAlways:
		return invalid(p.field+".pod.restartPolicy", "%q is refused: a driver must always come back", t.Spec.RestartPolicy)
	}
	for _, key := range [...]string{v1alpha1.LabelDeployment, v1alpha1.LabelComponent, v1alpha1.LabelManagedBy} {
		if want := Labels("", p.component)[key]; want != "" && t.Labels[key] != want || t.Labels[key] == "" {
			return invalid(p.field+".pod.labels["+key+"]", "is the operator's own; leave it out")
		}
	}
	volumes := map[string]bool{}
	for _, v := range t.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, list := range [...][]corev1.Container{t.Spec.InitContainers, t.Spec.Containers} {
		for _, c := range list {
			if err := checkContainer(p.field+".pod.containers["+c.Name+"]", c, volumes); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkContainer(field string, c corev1.Container, volumes map[string]bool) error {
	if c.Image == "" {
		return invalid(field+".image", "is required: no other container has that name")
	}
	for _, probe := range [...]struct {
		name  string
		given *corev1.Probe
	}{{"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe}, {"startupProbe", c.StartupProbe}} {
		if h := probe.given; h != nil && h.Exec == nil && h.GRPC == nil && h.HTTPGet == nil && h.TCPSocket == nil {
			return invalid(field+"."+probe.name, "asks nothing: there is no such probe to change; add httpGet, tcpSocket, grpc or exec")
		}
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			return invalid(fmt.Sprintf("%s.volumeMounts[%s]", field, m.MountPath), "there is no volume %q: add it to volumes, or correct its name", m.Name)
		}
	}
	if strings.TrimSpace(c.Image) != c.Image {
		return invalid(field+".image", "%q has a space at an end; remove it", c.Image)
	}
	return nil
}
