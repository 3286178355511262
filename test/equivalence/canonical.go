// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// canonical rewrites a manifest, in place, so that two manifests that
// Kubernetes would treat alike are equal: what is left out is filled in or what
// is said in vain is left out, and rules and subjects become sets.
func canonical(object map[string]any) {
	prune(object)
	kind, _ := object["kind"].(string)
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		fillRollout(object, kind)
		fillPod(object)
	case "ClusterRole", "Role":
		expandRules(object)
	case "ClusterRoleBinding", "RoleBinding":
		expandSubjects(object)
	}
	fill(object, spoken(kind))
	hush(object, silent(kind))
	prune(object)
}

// prune removes nulls and empty lists, inside out. An empty object stays: it can
// be a statement, such as a selector of everything.
func prune(object map[string]any) {
	for name, value := range object {
		switch v := value.(type) {
		case nil:
			delete(object, name)
		case map[string]any:
			prune(v)
		case []any:
			for _, item := range v {
				if fields, ok := item.(map[string]any); ok {
					prune(fields)
				}
			}
			if len(v) == 0 {
				delete(object, name)
			}
		}
	}
}

// fillRollout fills in how a workload replaces its pods.
func fillRollout(object map[string]any, kind string) {
	field, surge, unavailable := "updateStrategy", any(int64(0)), any(int64(1))
	if kind == "Deployment" {
		field, surge, unavailable = "strategy", "25%", "25%"
	}
	list := []assumption{
		{"spec." + field, map[string]any{}},
		{"spec." + field + ".type", "RollingUpdate"},
	}
	fill(object, list)
	spec, _ := object["spec"].(map[string]any)
	strategy, _ := spec[field].(map[string]any)
	if strategy["type"] != "RollingUpdate" {
		return
	}
	path := "spec." + field + ".rollingUpdate"
	fill(object, []assumption{{path, map[string]any{}}})
	if kind == "StatefulSet" {
		fill(object, []assumption{{path + ".partition", int64(0)}})
		return
	}
	fill(object, []assumption{{path + ".maxSurge", surge}, {path + ".maxUnavailable", unavailable}})
}

// fillPod fills in what depends on another field of the pod.
func fillPod(object map[string]any) {
	each(object, strings.Split(template+"volumes[].emptyDir", "."), func(volume map[string]any, _ string) {
		if len(volume) == 1 && volume["name"] != nil {
			volume["emptyDir"] = map[string]any{}
		}
	})
	for _, containers := range []string{"containers[].", "initContainers[]."} {
		path := template + containers
		each(object, strings.Split(path+"imagePullPolicy", "."), fillPullPolicy)
		each(object, strings.Split(path+"resources.requests", "."), fillRequests)
	}
	each(object, strings.Split(template+"hostNetwork", "."), func(pod map[string]any, name string) {
		if pod[name] != true {
			return
		}
		each(pod, []string{"containers[]", "ports[]", "hostPort"}, func(port map[string]any, name string) {
			if port[name] == port["containerPort"] {
				delete(port, name)
			}
		})
	})
}

// fillPullPolicy knows that a moving tag is pulled always.
func fillPullPolicy(container map[string]any, name string) {
	if container[name] != nil {
		return
	}
	container[name] = "IfNotPresent"
	text, _ := container["image"].(string)
	image, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return
	}
	if tagged, ok := reference.TagNameOnly(image).(reference.Tagged); ok && tagged.Tag() == "latest" {
		container[name] = "Always"
	}
}

// fillRequests knows that a limit is a request as well.
func fillRequests(resources map[string]any, name string) {
	limits, _ := resources["limits"].(map[string]any)
	if len(limits) == 0 {
		return
	}
	requests, _ := resources[name].(map[string]any)
	if requests == nil {
		requests = map[string]any{}
		resources[name] = requests
	}
	for resource, limit := range limits {
		if requests[resource] == nil {
			requests[resource] = limit
		}
	}
}

// expandSubjects makes a set of a binding's subjects.
func expandSubjects(object map[string]any) {
	hush(object, []assumption{{"subjects[].apiGroup", ""}})
	subjects, _ := object["subjects"].([]any)
	set := map[string]bool{}
	var unique []any
	for _, subject := range subjects {
		if key := fmt.Sprint(subject); !set[key] {
			set[key] = true
			unique = append(unique, subject)
		}
	}
	object["subjects"] = unique
}
