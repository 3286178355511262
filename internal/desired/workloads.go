// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// revisions is how many old templates can be rolled back to, as Kubernetes has it.
const revisions = 10

// workload is what runs the pods of a part.
func workload(in inputs, p part) runtime.Object {
	switch p.kind {
	case kindStatefulSet:
		return statefulSet(in, p)
	case kindDaemonSet:
		return daemonSet(in, p)
	default:
		return deployment(in, p)
	}
}

func deployment(in inputs, p part) *appsv1.Deployment {
	s := in.spec.Controller.Strategy
	strategy := appsv1.DeploymentStrategy{Type: cmp.Or(appsv1.DeploymentStrategyType(s.Type), appsv1.RollingUpdateDeploymentStrategyType)}
	if strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{
			MaxSurge:       cmp.Or(s.MaxSurge, new(intstr.FromInt32(0))),
			MaxUnavailable: cmp.Or(s.MaxUnavailable, new(intstr.FromInt32(1))),
		}
	}
	return &appsv1.Deployment{
		TypeMeta:   kind(appsv1.SchemeGroupVersion, kindDeployment),
		ObjectMeta: in.namespaced(p.workloadName(), p.component),
		Spec: appsv1.DeploymentSpec{
			Replicas:             new(p.replicas),
			RevisionHistoryLimit: new(int32(revisions)),
			Selector:             in.selectorOf(p),
			Strategy:             strategy,
			Template:             p.template,
		},
	}
}

// statefulSet has pods that keep their names, and never two of one name.
func statefulSet(in inputs, p part) *appsv1.StatefulSet {
	s := in.spec.Controller.Strategy
	strategy := appsv1.StatefulSetUpdateStrategy{Type: cmp.Or(appsv1.StatefulSetUpdateStrategyType(s.Type), appsv1.RollingUpdateStatefulSetStrategyType)}
	if strategy.Type == appsv1.RollingUpdateStatefulSetStrategyType && s.MaxUnavailable != nil {
		strategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{MaxUnavailable: s.MaxUnavailable}
	}
	return &appsv1.StatefulSet{
		TypeMeta:   kind(appsv1.SchemeGroupVersion, kindStatefulSet),
		ObjectMeta: in.namespaced(p.workloadName(), p.component),
		Spec: appsv1.StatefulSetSpec{
			Replicas:             new(p.replicas),
			RevisionHistoryLimit: new(int32(revisions)),
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			Selector:             in.selectorOf(p),
			UpdateStrategy:       strategy,
			Template:             p.template,
		},
	}
}

// daemonSet serves the CSI node service. Old and new pod of a node would fight for the
// socket, therefore no surge.
func daemonSet(in inputs, p part) *appsv1.DaemonSet {
	strategy := appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
	if p.rollout.Strategy != v1alpha1.RolloutOnDelete {
		strategy = appsv1.DaemonSetUpdateStrategy{
			Type: appsv1.RollingUpdateDaemonSetStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDaemonSet{
				MaxSurge:       new(intstr.FromInt32(0)),
				MaxUnavailable: p.rollout.MaxUnavailable,
			},
		}
	}
	return &appsv1.DaemonSet{
		TypeMeta:   kind(appsv1.SchemeGroupVersion, kindDaemonSet),
		ObjectMeta: in.namespaced(p.workloadName(), p.component),
		Spec: appsv1.DaemonSetSpec{
			RevisionHistoryLimit: new(int32(revisions)),
			Selector:             in.selectorOf(p),
			UpdateStrategy:       strategy,
			Template:             p.template,
		},
	}
}

// budget keeps evictions from ending all controller pods at once; nil where there is
// but one, which must be able to go.
func budget(in inputs, p part) runtime.Object {
	s := in.spec.Controller.PodDisruptionBudget
	asked := s.MaxUnavailable != nil || s.MinAvailable != nil
	if p.kind == kindDaemonSet || s.Disabled || p.replicas < 2 && !asked {
		return nil
	}
	b := &policyv1.PodDisruptionBudget{
		TypeMeta:   kind(policyv1.SchemeGroupVersion, "PodDisruptionBudget"),
		ObjectMeta: in.namespaced(p.name, p.component),
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector:                   in.ownPods(p), // also where another selector is refused
			MaxUnavailable:             s.MaxUnavailable,
			MinAvailable:               s.MinAvailable,
			UnhealthyPodEvictionPolicy: new(cmp.Or(s.UnhealthyPodEvictionPolicy, policyv1.AlwaysAllow)),
		},
	}
	if !asked {
		b.Spec.MaxUnavailable = new(intstr.FromInt32(1))
	}
	return b
}
