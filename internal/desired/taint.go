// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// notReady is the name in the key of a startup taint that the spec does not choose.
const notReady = "/agent-not-ready"

// StartupTaint is the key of the taint that nodes have until the driver works there; empty
// where there is none.
func StartupTaint(d *v1alpha1.CSIDriverDeployment) string {
	switch t := d.Spec.StartupTaint; {
	case !t.Enabled:
		return ""
	case t.Key == "":
		return d.Name + notReady
	default:
		return t.Key
	}
}

// autoscalerPrefix is the one by which cluster-autoscaler knows taints of the start.
const autoscalerPrefix = "startup-taint.cluster-autoscaler.kubernetes.io"

// checkTaint refuses what cannot be the key of a taint, and taints by which Kubernetes
// keeps pods off nodes for other reasons. A driver may be called like one of its prefixes.
func checkTaint(d *v1alpha1.CSIDriverDeployment) error {
	const field = "spec.startupTaint.key"
	key := d.Spec.StartupTaint.Key
	if key == "" {
		return nil
	}
	if problems := validation.IsQualifiedName(key); len(problems) > 0 {
		return invalid(field, "%q cannot be the key of a taint: %s", key, strings.Join(problems, "; "))
	}
	prefix, _, _ := strings.Cut(key, "/")
	if strings.HasSuffix("."+prefix, ".kubernetes.io") && prefix != d.Name && prefix != autoscalerPrefix {
		return invalid(field, "%q is a taint of Kubernetes, which tells by it what else is the matter with a node; use %s", key, d.Name+notReady)
	}
	return nil
}

// checkTaintedNodes refuses a driver that could never start on a tainted node, or of which
// nothing would tell that it has.
func (in *inputs) checkTaintedNodes() error {
	if in.taint == "" {
		return nil
	}
	if !slices.ContainsFunc(in.parts, in.registers) {
		return invalid("spec.startupTaint.enabled", "no pod registers the driver on nodes, so that the taint would stay for ever; leave it out")
	}
	for _, p := range in.parts {
		if in.registers(p) && !toleratesAll(p.template.Spec.Tolerations, in.taint) {
			return invalid(p.field+".pod.tolerations", "the startup taint %q would keep these pods off every new node, and nothing would take it off; add {key: %[1]s, operator: Exists} to the tolerations that spec.pod and %s.pod give", in.taint, p.field)
		}
	}
	return nil
}

// registers tells whether the pods of a part register the driver on their nodes, as far as
// that is known.
func (in *inputs) registers(p part) bool {
	return p.runs(sidecar.NodeDriverRegistrar) || !in.known() && p.serve(sidecar.Node)
}

// toleratesAll tells whether a taint of a key neither keeps pods off nor evicts them,
// whatever its value and effect.
func toleratesAll(tolerations []corev1.Toleration, key string) bool {
	for _, effect := range [...]corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute} {
		if !slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool {
			return (t.Key == "" || t.Key == key) && t.Operator == corev1.TolerationOpExists &&
				(t.Effect == "" || t.Effect == effect) && t.TolerationSeconds == nil
		}) {
			return false
		}
	}
	return true
}

// tolerateTaint lets a controller pod start where the driver does not work yet: it may be
// asked before any node pod is there, and needs no volume of the driver.
func (in *inputs) tolerateTaint() podEdit {
	return func(t *corev1.PodTemplateSpec) {
		if in.taint != "" {
			tolerate(corev1.Toleration{Key: in.taint, Operator: corev1.TolerationOpExists})(t)
		}
	}
}
