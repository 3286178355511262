// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// onePluginANode blocks a workload that would register the driver on nodes where another
// one still does: both would listen at one socket, and the one that ends last would take
// the other's registration with it.
func (in Input) onePluginANode(p Plan) (Plan, error) {
	for i, change := range p {
		if change.Intent == nil || !IsWorkload(change.Ref) || !registers(change.Intent) || registers(change.Live) {
			continue
		}
		other, err := in.pluginBeside(change)
		if err != nil {
			return nil, err
		}
		if other != nil {
			p[i].Action, p[i].Intent, p[i].Passing = Blocked, nil, true
			p[i].Reason = fmt.Sprintf("%s still serves nodes that it would serve, and goes first", other)
		}
	}
	return p, nil
}

// pluginBeside is a workload that registers the driver on nodes of a change, and will not
// do so for long; nil for none. One that is to go on doing it is told by the rendering.
func (in Input) pluginBeside(change Change) (*Ref, error) {
	mine, err := podSpecOf(change.Intent)
	if err != nil {
		return nil, err
	}
	for ref, live := range in.Live {
		if ref == change.Ref || !IsWorkload(ref) || !registers(live) || !in.applied(ref, live) {
			continue
		}
		theirs, err := podSpecOf(live)
		if err != nil {
			return nil, err
		}
		if !in.stays(ref) && desired.MayOverlap(mine, theirs) {
			return &ref, nil
		}
	}
	return nil, nil
}

// stays tells whether a workload is to go on registering the driver.
func (in Input) stays(ref Ref) bool {
	for _, o := range in.Wanted {
		if RefOf(o.Intent) == ref {
			return registers(o.Intent)
		}
	}
	return false
}

func registers(workload *unstructured.Unstructured) bool {
	return runs(workload, sidecar.RegistrarContainer)
}

func podSpecOf(workload *unstructured.Unstructured) (corev1.PodSpec, error) {
	var spec corev1.PodSpec
	fields, _, err := unstructured.NestedMap(workload.Object, "spec", "template", "spec")
	if err != nil {
		return spec, fmt.Errorf("reading the pods of %s: %w", RefOf(workload), err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &spec); err != nil {
		return spec, fmt.Errorf("reading the pods of %s: %w", RefOf(workload), err)
	}
	return spec, nil
}
