// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/plan"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// maxAnswer is what an answer of the inspector takes at most, in bytes.
const maxAnswer = 4096

// answer is what the inspector wrote. It comes from a pod beside a driver that nobody
// here knows, and is taken as hostile.
type answer struct {
	Key          string   `json:"key"`
	Driver       string   `json:"driver"`
	Version      string   `json:"version"`
	Capabilities []string `json:"capabilities"`
	Problem      string   `json:"problem"`
}

// readAnswer decodes an answer; what it cannot use becomes a problem.
func readAnswer(text string) answer {
	var a answer
	if len(text) > maxAnswer {
		return answer{Problem: fmt.Sprintf("the answer has %d bytes, more than %d", len(text), maxAnswer)}
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return answer{Problem: "the answer cannot be read: " + err.Error()}
	}
	known := sidecar.KnownCapabilities()
	a.Capabilities = slices.DeleteFunc(a.Capabilities, func(c string) bool { return !slices.Contains(known, c) })
	slices.Sort(a.Capabilities)
	a.Capabilities = slices.Compact(a.Capabilities)
	return a
}

// usable tells whether sidecars can be chosen by an answer: it is of the driver that the
// spec names, and says something. CSI knows no driver without a name.
func (a answer) usable(driver string) bool {
	return a.Driver == driver && (a.Problem == "" || len(a.Capabilities) > 0)
}

// answerOf reads, from the cache, what the inspector of a driver wrote; false for nothing.
func (r *Reconciler) answerOf(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (answer, bool, error) {
	m := bare(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	key := client.ObjectKey{Namespace: desired.Namespace(d, r.facts), Name: desired.AnswerName(d.Name)}
	there, err := get(ctx, r.cache, key, m)
	if err != nil || !there || m.GetLabels()[v1alpha1.LabelDeployment] != d.Name {
		return answer{}, false, err
	}
	text, found, err := unstructured.NestedString(m.Object, "data", sidecar.InspectorAnswer)
	if err != nil || !found {
		return answer{}, false, nil //nolint:nilerr // others may have written anything there
	}
	return readAnswer(text), true, nil
}

// factsOf are the operator's facts and what is known of one driver.
func (r *Reconciler) factsOf(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (desired.Facts, answer, error) {
	facts := r.facts
	facts.Served = r.optional.served()
	facts.Kubernetes = int(r.kubernetes.minor.Load())
	if d.Spec.Source != v1alpha1.SourceCustom || d.Spec.Capabilities != nil {
		return facts, answer{}, nil
	}
	said, found, err := r.answerOf(ctx, d)
	if err != nil {
		return facts, said, err
	}
	facts.Answer = &desired.Answer{Key: said.Key}
	if facts.Answer.Last, err = r.lastKnown(ctx, d); err != nil {
		return facts, said, err
	}
	if found && said.usable(d.Name) {
		facts.Answer.Capabilities = nonNil(said.Capabilities)
	}
	return facts, said, nil
}

// nonNil tells no capabilities from none known.
func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// lastKnown are the capabilities by which the sidecars run now; nil if the driver was never
// installed. Where the status is lost, as after a restore, the sidecars tell.
func (r *Reconciler) lastKnown(ctx context.Context, d *v1alpha1.CSIDriverDeployment) ([]string, error) {
	if d.Status.Driver.Capabilities != nil {
		return d.Status.Driver.Capabilities, nil
	}
	drivers, err := r.labelled(ctx, d.Name, storagev1.SchemeGroupVersion.WithKind("CSIDriver"))
	if err != nil || len(drivers) == 0 {
		return nil, err
	}
	last := []string{}
	for _, kind := range desired.KindsNamed("Deployment", "StatefulSet") {
		workloads, err := r.labelled(ctx, d.Name, kind)
		if err != nil {
			return nil, err
		}
		for i := range workloads {
			last = append(last, sidecar.Implied(plan.ContainerNames(&workloads[i]))...)
		}
	}
	return last, nil
}

// keepDiscovery writes into the status by which capabilities the sidecars are chosen, and
// what the driver said as long as it is the same, to be compared with the spec.
func keepDiscovery(d *v1alpha1.CSIDriverDeployment, found desired.Discovery, said answer) {
	s := &d.Status.Driver
	if d.Spec.Source != v1alpha1.SourceCustom {
		s.Capabilities, s.Reported, s.CapabilitiesKey = nil, nil, ""
		return
	}
	if found.Capabilities != nil && (found.Asked || managed(d) && anyApplied(d)) { // sidecars run by them
		s.Capabilities = found.Capabilities
	}
	if s.CapabilitiesKey != found.Key {
		s.Reported, s.CapabilitiesKey = nil, ""
	}
	if found.Asked && said.usable(d.Name) && said.Key == found.Key {
		s.Version = health.Cut(said.Version)
		s.Reported, s.CapabilitiesKey = nonNil(said.Capabilities), said.Key
	}
}

// markCapabilities tells whether it is known what the driver can do.
func markCapabilities(d *v1alpha1.CSIDriverDeployment, set desired.Set, said answer) {
	found := set.Discovery
	c := metav1.Condition{Type: v1alpha1.ConditionCapabilitiesMatch, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonKnown}
	reason, message := mismatch(d, found, said)
	switch {
	case reason != "":
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reason, message
	case found.Asked && said.Key == found.Key:
		c.Message = fmt.Sprintf("the sidecars are chosen by %d capabilities that the driver reported", len(found.Capabilities))
	case found.Asked:
		c.Message = fmt.Sprintf("the sidecars are chosen by the %d capabilities that held before; the driver has not answered yet", len(found.Capabilities))
	case d.Spec.Source == v1alpha1.SourceCustom:
		c.Message = "the sidecars are chosen by spec.capabilities"
	default:
		c.Message = "the bundled driver is known"
	}
	if c.Status == metav1.ConditionTrue && set.Absent != "" {
		c.Message += "; " + set.Absent
	}
	mark(d, c)
}

// mismatch is what is wrong with the capabilities, as a reason and a message; empty for
// nothing.
func mismatch(d *v1alpha1.CSIDriverDeployment, found desired.Discovery, said answer) (reason, message string) {
	if !found.Asked {
		return declaredMismatch(d, found)
	}
	current := said.Key == found.Key
	switch {
	case current && said.Driver != "" && said.Driver != d.Name:
		return v1alpha1.ReasonDiffers, fmt.Sprintf("the driver calls itself %q; metadata.name must be that, or the driver be told this name", said.Driver)
	case (current || said.Key == "") && said.Problem != "":
		return v1alpha1.ReasonNoAnswer, said.Problem
	case found.Capabilities == nil:
		return v1alpha1.ReasonNotAsked, "waiting for a controller pod in which csi-inspector can ask the driver"
	case len(found.Lacking) > 0:
		return v1alpha1.ReasonDiffers, "left out, since the driver cannot serve it: " + strings.Join(found.Lacking, "; ")
	}
	return "", ""
}

// declaredMismatch compares what the spec says with what the same driver said before.
func declaredMismatch(d *v1alpha1.CSIDriverDeployment, found desired.Discovery) (reason, message string) {
	s := d.Status.Driver
	if d.Spec.Source != v1alpha1.SourceCustom || s.CapabilitiesKey == "" {
		return "", ""
	}
	without := func(list, other []string) (rest []string) {
		for _, c := range list {
			if !slices.Contains(other, c) {
				rest = append(rest, c)
			}
		}
		return rest
	}
	missing, invented := without(s.Reported, found.Capabilities), without(found.Capabilities, s.Reported)
	if len(missing)+len(invented) == 0 {
		return "", ""
	}
	return v1alpha1.ReasonDiffers, fmt.Sprintf("spec.capabilities differ from what the driver reported: only reported %v, only in the spec %v", missing, invented)
}
