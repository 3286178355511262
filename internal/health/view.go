// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// view is one workload and its pods, whatever its kind.
type view struct {
	component, driver string
	// containers are the names of the rows of the component.
	containers []string
	// kubeletRoot is where the pods expect kubelet; empty where that is not known.
	kubeletRoot string
	// kind and name of the workload, for messages.
	kind, name string
	uid        types.UID
	// known is false until the workload exists and its controller has looked at
	// it once: the counts below say nothing before.
	known                   bool
	desired, updated, ready int32
	// settled is true when the workload's controller has seen the newest
	// template and no pod of an older one is left.
	settled bool
	// manual is true where new pods come when somebody deletes old ones.
	manual bool
	// tolerant is true for a workload that has a pod for each node: nodes come
	// and go.
	tolerant bool
	// trouble is why the workload's controller cannot make pods, if it said so.
	trouble string
	// live pods are neither being deleted nor over; dead ones ended for good,
	// which happens to evicted pods. Both by name.
	live, dead []*corev1.Pod
	registry   registry
	uids       map[string]types.UID // of nodes
	hints      map[types.UID]Hint
	overdue    map[string]bool
	leases     map[string]Lease
	// ungranted is what rights the pods lack; empty for none.
	ungranted string
}

// workloadView is the workload of a component, without its pods.
func workloadView(c desired.Component, o Observed) view {
	switch {
	case c.Name != v1alpha1.ComponentController:
		return daemonSetView(o.Nodes[c.Name])
	case c.Kind == "StatefulSet":
		return statefulSetView(o.StatefulSet)
	default:
		return deploymentView(o.Controller)
	}
}

func deploymentView(d *appsv1.Deployment) view {
	v := view{kind: "Deployment"}
	if d == nil {
		return v
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			v.trouble = c.Message
		}
	}
	s := d.Status
	return v.replicated(d.ObjectMeta, d.Spec.Replicas, s.ObservedGeneration, s.UpdatedReplicas, s.ReadyReplicas)
}

func statefulSetView(d *appsv1.StatefulSet) view {
	v := view{kind: "StatefulSet"}
	if d == nil {
		return v
	}
	s := d.Status
	v.manual = d.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	return v.replicated(d.ObjectMeta, d.Spec.Replicas, s.ObservedGeneration, s.UpdatedReplicas, s.ReadyReplicas)
}

// replicated fills in what is known of a workload with a number of pods.
func (v view) replicated(about metav1.ObjectMeta, wanted *int32, observed int64, updated, ready int32) view {
	v.name, v.uid = about.Name, about.UID
	v.desired = 1
	if wanted != nil {
		v.desired = *wanted
	}
	v.known = observed > 0
	v.ready = min(ready, v.desired)
	if observed >= about.Generation {
		v.updated = min(updated, v.desired)
		v.settled = v.known && v.updated == v.desired
	}
	return v
}

func daemonSetView(d *appsv1.DaemonSet) view {
	v := view{kind: "DaemonSet", tolerant: true}
	if d == nil {
		return v
	}
	v.name, v.uid = d.Name, d.UID
	v.manual = d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
	v.known = d.Status.ObservedGeneration > 0
	v.desired = d.Status.DesiredNumberScheduled
	v.ready = min(d.Status.NumberReady, v.desired)
	if d.Status.ObservedGeneration >= d.Generation {
		v.updated = min(d.Status.UpdatedNumberScheduled, v.desired)
		// A node that has no pod yet has none of an older template.
		v.settled = v.known && v.updated >= min(d.Status.CurrentNumberScheduled, v.desired)
	}
	return v
}

// podsOf picks the pods of a component that are not being deleted.
func podsOf(component string, pods []corev1.Pod) (live, dead []*corev1.Pod) {
	for i := range pods {
		p := &pods[i] // there are many, and large
		switch {
		case p.Labels[v1alpha1.LabelComponent] != component || p.DeletionTimestamp != nil:
		case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
			dead = append(dead, p)
		default:
			live = append(live, p)
		}
	}
	byName := func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	}
	slices.SortFunc(live, byName)
	slices.SortFunc(dead, byName)
	return live, dead
}

// absence says why pods are missing, as far as it is known.
func (v view) absence() string {
	switch {
	case !v.known:
		return "the " + v.kind + " has not started yet"
	case v.obstacle() != "":
		return v.obstacle()
	default:
		return fmt.Sprintf("%s %q has no more pods yet", v.kind, v.name)
	}
}

// obstacle is why pods cannot be made; empty where nothing is known.
func (v view) obstacle() string {
	if v.trouble != "" {
		return withoutPodName(v.trouble)
	}
	return withoutPodName(v.hints[v.uid].Message)
}

func workloadStatus(v view) v1alpha1.WorkloadStatus {
	return v1alpha1.WorkloadStatus{
		Desired: v.desired,
		Updated: v.updated,
		Ready:   v.ready,
		Summary: fmt.Sprintf("%d/%d", v.ready, v.desired),
	}
}
