// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// leaves are facts as single values by path. Null, empty objects and empty
// lists are not there.
type leaves map[string]string

// leaves takes facts apart, and does what both sides need to be comparable.
func (f Facts) leaves() leaves {
	l := leaves{}
	for name, spec := range f.CSIDrivers {
		l.tree("csidriver/"+name, assumedOfDriver(spec))
	}
	for name, class := range f.StorageClasses {
		l.tree("sc/"+name, class)
	}
	for name, class := range f.SnapshotClasses {
		l.tree("vsc/"+name, class)
	}
	l.counts("other", f.Other)
	for component, w := range f.Workloads {
		l.workload("workloads/"+component, w)
	}
	return l
}

// assumedOfDriver fills in a copy of the spec of a CSIDriver. The order of its
// modes means nothing.
func assumedOfDriver(spec map[string]any) map[string]any {
	object := map[string]any{"spec": maps.Clone(spec)}
	fill(object, spoken("CSIDriver"))
	filled, _ := object["spec"].(map[string]any)
	if modes, ok := filled["volumeLifecycleModes"].([]any); ok {
		filled["volumeLifecycleModes"] = slices.SortedFunc(slices.Values(modes), func(a, b any) int {
			return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
		})
	}
	return filled
}

// tree adds what is below an object. A list is one value, since its order may
// count.
func (l leaves) tree(path string, value any) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		for name, field := range v {
			l.tree(path+"/"+name, field)
		}
	case []any:
		if len(v) > 0 {
			l[path] = compact(v)
		}
	case string:
		l[path] = v
	default:
		l[path] = compact(v)
	}
}

// bag adds items whose order does not count.
func (l leaves) bag(path string, items []string) {
	count := map[string]int{}
	for _, item := range items {
		count[item]++
	}
	l.counts(path, count)
}

func (l leaves) counts(path string, count map[string]int) {
	for item, n := range count {
		l[path+"/"+item] = strconv.Itoa(n)
	}
}

func (l leaves) workload(path string, w Workload) {
	l[path+"/kind"] = w.Kind
	l[path+"/revisionHistoryLimit"] = fmt.Sprint(w.RevisionHistoryLimit)
	l[path+"/hostIPC"] = fmt.Sprint(w.HostIPC)
	l[path+"/hostNetwork"] = fmt.Sprint(w.HostNetwork)
	l[path+"/hostPID"] = fmt.Sprint(w.HostPID)
	l[path+"/dnsPolicy"] = w.DNSPolicy
	l[path+"/terminationGracePeriodSeconds"] = fmt.Sprint(w.TerminationGracePeriodSeconds)
	l[path+"/affinity"] = w.Affinity
	if w.Replicas != nil {
		l[path+"/replicas"] = fmt.Sprint(*w.Replicas)
	}
	if w.PriorityClassName != nil {
		l[path+"/priorityClassName"] = *w.PriorityClassName
	}
	if len(w.Rollout) > 0 {
		l[path+"/rollout"] = compact(w.Rollout)
	}
	l.tree(path+"/securityContext", w.SecurityContext)
	l.bag(path+"/tolerations", w.Tolerations)
	l.bag(path+"/imagePullSecrets", w.ImagePullSecrets)
	for source, must := range w.HostPathTypes {
		l[path+"/hostPathTypes/"+source] = must
	}
	for name, value := range w.NodeSelector {
		l[path+"/nodeSelector/"+name] = value
	}
	for role, c := range w.Containers {
		l.container(path+"/containers/"+role, c)
	}
}

func (l leaves) container(path string, c Container) {
	l[path+"/image"] = c.Image
	l[path+"/pull"] = c.PullPolicy
	l[path+"/tmp"] = c.MessagePolicy
	if len(c.Command) > 0 {
		l[path+"/command"] = compact(c.Command)
	}
	l.counts(path+"/args", sameDurations(c.Args))
	for name, value := range c.Env {
		l[path+"/env/"+name] = value
	}
	for _, sort := range []string{"limits", "requests"} {
		for name, quantity := range c.Resources[sort] {
			l[path+"/resources/"+sort+"/"+name] = sameQuantity(quantity)
		}
	}
	ports := make([]string, 0, len(c.Ports))
	for _, port := range c.Ports {
		ports = append(ports, compact(port))
	}
	l.bag(path+"/ports", ports)
	l.bag(path+"/mounts", c.Mounts)
	l.tree(path+"/securityContext", c.SecurityContext)
	l.tree(path+"/lifecycle", c.Lifecycle)
	l.tree(path+"/livenessProbe", c.LivenessProbe)
	l.tree(path+"/readinessProbe", c.ReadinessProbe)
	l.tree(path+"/startupProbe", c.StartupProbe)
}

// sameQuantity writes a quantity in one way: 1000m and 1 are the same.
func sameQuantity(text string) string {
	quantity, err := resource.ParseQuantity(text)
	if err != nil {
		return text
	}
	return quantity.String()
}
