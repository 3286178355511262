// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"maps"
	"slices"
	"strings"
)

// readPod reads the pod of a workload.
func readPod(w *workload, pod fields) {
	w.HostIPC = pod.flag("hostIPC")
	w.HostNetwork = pod.flag("hostNetwork")
	w.HostPID = pod.flag("hostPID")
	w.DNSPolicy = pod.text("dnsPolicy")
	w.TerminationGracePeriodSeconds = pod.number("terminationGracePeriodSeconds")
	w.NodeSelector = pod.words("nodeSelector")
	w.SecurityContext = pod.tree("securityContext")
	w.account = pod.text("serviceAccountName")
	if name := pod.text("priorityClassName"); name != "" {
		w.PriorityClassName = new(name)
	}
	if _, given := pod.left["automountServiceAccountToken"]; given {
		w.token = new(pod.flag("automountServiceAccountToken"))
	}
	w.Affinity = "{}"
	if affinity := pod.tree("affinity"); len(affinity) > 0 {
		w.Affinity = spaced(withoutSelf(affinity, w.selector))
	}
	for _, toleration := range pod.items("tolerations") {
		w.Tolerations = append(w.Tolerations, spaced(toleration.left))
	}
	for _, secret := range pod.items("imagePullSecrets") {
		w.ImagePullSecrets = append(w.ImagePullSecrets, secret.text("name"))
		secret.rest()
	}
	readContainers(w, pod)
	pod.rest()
}

// readContainers reads the containers of a pod and its volumes, which are named
// by the containers that mount them.
func readContainers(w *workload, pod fields) {
	w.Containers = map[string]Container{}
	var all []container
	for _, item := range pod.items("containers") {
		all = append(all, readContainer(item, ""))
	}
	for _, item := range pod.items("initContainers") {
		all = append(all, readContainer(item, "init:"))
	}
	volumes := readVolumes(pod, all)
	w.HostPathTypes = volumes.hostPathTypes
	names := map[string]bool{}
	for _, c := range all {
		if names[c.name] {
			pod.found.fail("%s: has two containers %s", pod.at, c.name)
		}
		names[c.name] = true
		if _, there := w.Containers[c.role]; there {
			pod.found.fail("%s: has two containers in the role %s", pod.at, c.role)
		}
		c.Mounts = volumes.mounts(c)
		w.Containers[c.role] = c.Container
	}
}

// volumes are the sources of a pod's volumes by the names of the volumes.
type volumes struct {
	sources       map[string]string
	hostPathTypes map[string]string
	found         *findings
}

// readVolumes reads the volumes that containers mount.
func readVolumes(pod fields, containers []container) volumes {
	v := volumes{sources: map[string]string{}, hostPathTypes: map[string]string{}, found: pod.found}
	for _, item := range pod.items("volumes") {
		name := item.text("name")
		if _, there := v.sources[name]; there {
			pod.found.fail("%s: is there twice", item.at)
		}
		users := users(name, containers)
		if len(users) == 0 {
			pod.found.fail("%s: is mounted by no container", item.at)
		}
		v.sources[name] = v.source(item, users)
		item.rest()
	}
	return v
}

// users are the containers that mount a volume, as the normal form calls them
// there.
func users(volume string, containers []container) []string {
	set := map[string]bool{}
	for _, c := range containers {
		for _, m := range c.mounts {
			if m.volume == volume {
				set[strings.TrimPrefix(c.role, extra)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// source is what a volume is, and who shares it if that is what tells it from
// others.
func (v volumes) source(volume fields, users []string) string {
	kinds := slices.Sorted(maps.Keys(volume.left))
	if len(kinds) != 1 {
		v.found.fail("%s: has not one source: %v", volume.at, kinds)
		return ""
	}
	kind := kinds[0]
	body := volume.child(kind)
	defer body.rest()
	switch kind {
	case "emptyDir":
		return kind + ":" + body.text("medium") + ":" + strings.Join(users, ",")
	case "hostPath":
		return v.hostPath(body)
	case "configMap":
		return kind + ":" + body.text("name")
	case "secret":
		return kind + ":" + body.text("secretName")
	case "projected":
		return kind + ":" + spaced(take[[]any](body, "sources"))
	default:
		source := kind + ":" + spaced(body.left)
		clear(body.left)
		return source
	}
}

func (v volumes) hostPath(body fields) string {
	source := "hostPath:" + directory(body.text("path"))
	must := body.text("type")
	if other, there := v.hostPathTypes[source]; there && other != must {
		v.found.fail("%s: must be %q and %q at a time", source, other, must)
	}
	v.hostPathTypes[source] = must
	return source
}

// directory is a path without separator at its end.
func directory(path string) string {
	path = singleBackslashes(path)
	if short := strings.TrimRight(path, `/\`); short != "" {
		return short
	}
	return path
}

// mounts are what a container mounts where.
func (v volumes) mounts(c container) []string {
	var list []string
	for _, m := range c.mounts {
		source, there := v.sources[m.volume]
		if !there {
			v.found.fail("container %s mounts the volume %q, which is not there", c.name, m.volume)
		}
		list = append(list, source+" -> "+m.target)
	}
	slices.Sort(list)
	return list
}
