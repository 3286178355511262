// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// ready is nil when the newest generation of the deployment is Ready and every
// node has registered it.
func ready(d *v1alpha1.CSIDriverDeployment) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case c == nil:
			return errors.New("no Ready condition yet")
		case c.Status != "True" || c.ObservedGeneration != d.Generation:
			return fmt.Errorf("ready is %s: %s", c.Status, c.Message)
		case d.Status.Nodes.Registered != d.Status.Nodes.Desired:
			return fmt.Errorf("nodes are %+v", d.Status.Nodes)
		}
		return nil
	}
}

// condition is nil when the deployment has the condition with that status and reason.
func condition(d *v1alpha1.CSIDriverDeployment, kind, status, reason string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		c := meta.FindStatusCondition(d.Status.Conditions, kind)
		if c == nil || string(c.Status) != status || c.Reason != reason {
			return fmt.Errorf("condition %s is %+v, want %s/%s", kind, c, status, reason)
		}
		return nil
	}
}

// row returns the status row of a container, or an error that says it is missing.
func row(d *v1alpha1.CSIDriverDeployment, component, name string) (v1alpha1.SidecarStatus, error) {
	i := slices.IndexFunc(d.Status.Sidecars, func(s v1alpha1.SidecarStatus) bool {
		return s.Component == component && s.Name == name
	})
	if i < 0 {
		return v1alpha1.SidecarStatus{}, fmt.Errorf("no row %s/%s in %+v", component, name, d.Status.Sidecars)
	}
	return d.Status.Sidecars[i], nil
}

// running is nil when the pod is Ready on the given node.
func running(p *corev1.Pod, node string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := refetch(ctx, p); err != nil {
			return err
		}
		if !podReady(p) || p.Spec.NodeName != node {
			return fmt.Errorf("pod %s is %s on %q", p.Name, p.Status.Phase, p.Spec.NodeName)
		}
		return nil
	}
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// event is nil when an event of that reason about the object exists.
func event(about client.Object, reason string) func(context.Context) error {
	return func(ctx context.Context) error {
		var list corev1.EventList
		if err := shared.List(ctx, &list); err != nil {
			return err
		}
		var seen []string
		for _, e := range list.Items {
			if e.InvolvedObject.UID != about.GetUID() {
				continue
			}
			if e.Reason == reason {
				return nil
			}
			seen = append(seen, e.Reason)
		}
		return fmt.Errorf("no event %s about %s, only %v", reason, about.GetName(), seen)
	}
}

// deployed makes the deployment, awaits Ready, and removes it at the end.
func deployed(t *testing.T, d *v1alpha1.CSIDriverDeployment) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	create(t, d)
	await(t, d.Name+" is Ready", ready(d))
	return d
}
