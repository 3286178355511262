// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"slices"
	"strings"
)

// assumption is what Kubernetes takes for a field that a manifest leaves out.
// In path, [] stands for every item of a list.
type assumption struct {
	path  string
	value any
}

// template is where the pod stands in a workload.
const template = "spec.template.spec."

// spoken are fields that the normal form speaks of: where they are left out,
// canonical fills them in.
func spoken(kind string) []assumption {
	switch kind {
	case "Deployment", "StatefulSet":
		return append(spokenOfPods(), assumption{"spec.replicas", int64(1)})
	case "DaemonSet":
		return spokenOfPods()
	case "CSIDriver":
		return []assumption{
			{"spec.attachRequired", true},
			{"spec.fsGroupPolicy", "ReadWriteOnceWithFSType"},
			{"spec.podInfoOnMount", false},
			{"spec.preventPodSchedulingIfMissing", false},
			{"spec.requiresRepublish", false},
			{"spec.seLinuxMount", false},
			{"spec.storageCapacity", false},
			{"spec.volumeLifecycleModes", []any{"Persistent"}},
		}
	case "StorageClass":
		return []assumption{
			{"allowVolumeExpansion", false},
			{"reclaimPolicy", "Delete"},
			{"volumeBindingMode", "Immediate"},
		}
	case "ClusterRoleBinding", "RoleBinding":
		return []assumption{{"roleRef.apiGroup", "rbac.authorization.k8s.io"}}
	case "ServiceAccount":
		return []assumption{{"automountServiceAccountToken", true}}
	default:
		return nil
	}
}

func spokenOfPods() []assumption {
	list := []assumption{
		{"spec.revisionHistoryLimit", int64(10)},
		{template + "dnsPolicy", "ClusterFirst"},
		{template + "hostIPC", false},
		{template + "hostNetwork", false},
		{template + "hostPID", false},
		{template + "terminationGracePeriodSeconds", int64(30)},
		{template + "tolerations[].operator", "Equal"},
		{template + "volumes[].hostPath.type", ""},
		{template + "volumes[].projected.sources[].serviceAccountToken.expirationSeconds", int64(3600)},
	}
	return append(list, ofContainers(
		assumption{"ports[].protocol", "TCP"},
		assumption{"terminationMessagePolicy", "File"},
		assumption{"volumeMounts[].mountPropagation", "None"},
		assumption{"volumeMounts[].readOnly", false},
		assumption{"livenessProbe.", nil},
		assumption{"readinessProbe.", nil},
		assumption{"startupProbe.", nil},
	)...)
}

// silent are fields that the normal form does not speak of: where they say
// what Kubernetes takes anyway, canonical leaves them out.
func silent(kind string) []assumption {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return append(ofContainers(
			assumption{"env[].valueFrom.configMapKeyRef.optional", false},
			assumption{"env[].valueFrom.fieldRef.apiVersion", "v1"},
			assumption{"env[].valueFrom.secretKeyRef.optional", false},
			assumption{"securityContext.allowPrivilegeEscalation", true},
			assumption{"securityContext.privileged", false},
			assumption{"securityContext.readOnlyRootFilesystem", false},
			assumption{"terminationMessagePath", "/dev/termination-log"},
		),
			assumption{"spec.minReadySeconds", int64(0)},
			assumption{"spec.podManagementPolicy", "OrderedReady"},
			assumption{"spec.progressDeadlineSeconds", int64(600)},
			assumption{"spec.serviceName", ""},
			assumption{template + "enableServiceLinks", true},
			assumption{template + "restartPolicy", "Always"},
			assumption{template + "schedulerName", "default-scheduler"},
			assumption{template + "volumes[].configMap.defaultMode", int64(0o644)},
			assumption{template + "volumes[].configMap.optional", false},
			assumption{template + "volumes[].projected.defaultMode", int64(0o644)},
			assumption{template + "volumes[].secret.defaultMode", int64(0o644)},
			assumption{template + "volumes[].secret.optional", false},
		)
	case "PodDisruptionBudget":
		return []assumption{{"spec.unhealthyPodEvictionPolicy", "IfHealthyBudget"}}
	default:
		return nil
	}
}

// ofContainers repeats assumptions about a container for all containers of a
// pod. A path that ends with a dot is that of a probe.
func ofContainers(list ...assumption) []assumption {
	var all []assumption
	for _, containers := range []string{"containers[].", "initContainers[]."} {
		for _, a := range list {
			path := template + containers + a.path
			if strings.HasSuffix(path, ".") {
				all = append(all, ofProbe(path)...)
			} else {
				all = append(all, assumption{path, a.value})
			}
		}
	}
	return all
}

func ofProbe(path string) []assumption {
	return []assumption{
		{path + "failureThreshold", int64(3)},
		{path + "initialDelaySeconds", int64(0)},
		{path + "periodSeconds", int64(10)},
		{path + "successThreshold", int64(1)},
		{path + "timeoutSeconds", int64(1)},
		{path + "httpGet.path", "/"},
		{path + "httpGet.scheme", "HTTP"},
	}
}

// fill writes the assumed value where a field is left out.
func fill(object map[string]any, list []assumption) {
	for _, a := range list {
		each(object, strings.Split(a.path, "."), func(parent map[string]any, name string) {
			if _, given := parent[name]; !given {
				parent[name] = a.value
			}
		})
	}
}

// hush removes a field that says no more than the assumed value.
func hush(object map[string]any, list []assumption) {
	for _, a := range list {
		each(object, strings.Split(a.path, "."), func(parent map[string]any, name string) {
			if parent[name] == a.value {
				delete(parent, name)
			}
		})
	}
}

// each calls do with every object that has, or lacks, the last field of path.
func each(value any, path []string, do func(parent map[string]any, name string)) {
	object, _ := value.(map[string]any)
	if object == nil {
		return
	}
	name, list := strings.CutSuffix(path[0], "[]")
	switch {
	case len(path) == 1:
		do(object, name)
	case list:
		items, _ := object[name].([]any)
		for item := range slices.Values(items) {
			each(item, path[1:], do)
		}
	default:
		each(object[name], path[1:], do)
	}
}
