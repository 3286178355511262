// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Bypasses are the fields of d that write a sidecar by hand instead of asking
// the catalogue for it: fragments of a pod that change, add or remove one, and
// what replaces the command line of one. With them everything could be rendered
// and nothing would be proven.
func Bypasses(d *v1alpha1.CSIDriverDeployment) ([]string, error) {
	spec := d.Spec
	list, err := bypassesOf("spec", spec.Pod, spec.Sidecars)
	if err != nil {
		return nil, err
	}
	parts := map[string]v1alpha1.Part{"spec.controller": spec.Controller.Part}
	for i, pool := range spec.Nodes {
		parts[fmt.Sprintf("spec.nodes[%d]", i)] = pool.Part
	}
	for _, field := range slices.Sorted(maps.Keys(parts)) {
		more, err := bypassesOf(field, parts[field].Pod, parts[field].Sidecars)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

func bypassesOf(field string, pod *runtime.RawExtension, sidecars v1alpha1.SidecarsSpec) ([]string, error) {
	inPod, err := podBypasses(field+".pod", pod)
	if err != nil {
		return nil, err
	}
	inSidecars, err := sidecarBypasses(field+".sidecars", sidecars)
	return append(inPod, inSidecars...), err
}

// podBypasses are the containers of a fragment that are sidecars by name or by
// image, and the removals that touch one.
func podBypasses(field string, raw *runtime.RawExtension) ([]string, error) {
	if raw == nil {
		return nil, nil
	}
	type named struct{ Name, Image string }
	var pod struct {
		Containers, InitContainers []named
		Remove                     []string
	}
	if err := json.Unmarshal(raw.Raw, &pod); err != nil {
		return nil, fmt.Errorf("reading %s: %w", field, err)
	}
	var list []string
	for _, c := range slices.Concat(pod.Containers, pod.InitContainers) {
		_, known, err := roleOfImage(c.Image)
		if c.Image != "" && err != nil {
			return nil, fmt.Errorf("reading %s.containers[%s]: %w", field, c.Name, err)
		}
		if isSidecar(c.Name) || known {
			list = append(list, fmt.Sprintf("%s.containers[%s]", field, c.Name))
		}
	}
	for _, path := range pod.Remove {
		what, inside, _ := strings.Cut(path, "[")
		name, _, one := strings.Cut(inside, "]")
		if what == "containers" && (!one || isSidecar(name)) {
			list = append(list, field+".remove: "+path)
		}
	}
	return list, nil
}

// sidecarBypasses are the fragments that have a command line of their own, and
// the removals of a whole one.
func sidecarBypasses(field string, sidecars v1alpha1.SidecarsSpec) ([]string, error) {
	raw, err := json.Marshal(sidecars)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", field, err)
	}
	var roles map[string]struct {
		Container map[string]json.RawMessage
		Remove    []string
	}
	if err := json.Unmarshal(raw, &roles); err != nil {
		return nil, fmt.Errorf("reading %s: %w", field, err)
	}
	var list []string
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		for _, line := range []string{"args", "command"} {
			if _, given := roles[role].Container[line]; given {
				list = append(list, field+"."+role+".container."+line)
			}
			if slices.Contains(roles[role].Remove, line) {
				list = append(list, field+"."+role+".remove: "+line)
			}
		}
	}
	return list, nil
}

// isSidecar says whether the catalogue calls a container so.
func isSidecar(name string) bool {
	return slices.ContainsFunc(sidecar.Catalogue(), func(s sidecar.Sidecar) bool { return s.Name == name })
}
