// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// A container that dies shows as a row with its reason, and the row heals when
// the kubelet has restarted it.
func TestKilledContainersShowAndHeal(t *testing.T) {
	d := sharedDeployment(t)
	for name, which := range map[string]struct{ component, container string }{
		"provisioner":       {v1alpha1.ComponentController, "csi-provisioner"},
		"controller driver": {v1alpha1.ComponentController, v1alpha1.DriverContainer},
		"attacher":          {v1alpha1.ComponentController, "csi-attacher"},
		"resizer":           {v1alpha1.ComponentController, "csi-resizer"},
		"node driver":       {v1alpha1.DefaultNodePool, v1alpha1.DriverContainer},
		"registrar":         {v1alpha1.DefaultNodePool, "node-driver-registrar"},
		"livenessprobe":     {v1alpha1.DefaultNodePool, "livenessprobe"},
	} {
		t.Run(name, func(t *testing.T) {
			victim := podsOf(t, d.Name, which.component)[0]
			untilBackOff(t, &victim, which.container)
			await(t, "status tells of it", func(ctx context.Context) error {
				if err := refetch(ctx, d); err != nil {
					return err
				}
				return tellsOf(d, which.component, which.container, victim.Name)
			})
			await(t, "the row is well again", func(ctx context.Context) error {
				if err := refetch(ctx, d); err != nil {
					return err
				}
				r, err := row(d, which.component, which.container)
				if err == nil && r.State != v1alpha1.SidecarHealthy {
					err = fmt.Errorf("row is %+v", r)
				}
				return err
			})
			await(t, "all is well again", ready(d))
		})
	}
}

// untilBackOff kills a container until the kubelet makes it wait.
func untilBackOff(t *testing.T, p *corev1.Pod, container string) {
	t.Helper()
	var restarts int32 = -1
	await(t, "container is in back-off", func(ctx context.Context) error {
		if err := refetch(ctx, p); err != nil {
			return err
		}
		for _, s := range p.Status.ContainerStatuses {
			switch {
			case s.Name != container:
			case s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff":
				return nil
			case s.State.Running != nil && s.RestartCount != restarts:
				restarts = s.RestartCount
				kill(t, p, container)
			}
		}
		return fmt.Errorf("killed at restart count %d", restarts)
	})
}

// tellsOf is nil when the row names the pod, says how the container ended, and
// the deployment is not Ready.
func tellsOf(d *v1alpha1.CSIDriverDeployment, component, container, pod string) error {
	r, err := row(d, component, container)
	if err != nil {
		return err
	}
	failed := r.State == v1alpha1.SidecarDegraded || r.State == v1alpha1.SidecarDown
	if !failed || r.Ready >= r.Desired || r.Worst == nil || r.Worst.Pod != pod || r.Worst.ExitCode == nil || *r.Worst.ExitCode != 137 {
		return fmt.Errorf("row is %+v, worst %+v", r, r.Worst)
	}
	if !strings.Contains(r.Message, pod) {
		return fmt.Errorf("message %q does not name pod %s", r.Message, pod)
	}
	for _, kind := range []string{v1alpha1.ConditionSidecarsHealthy, v1alpha1.ConditionReady} {
		if meta.IsStatusConditionTrue(d.Status.Conditions, kind) {
			return fmt.Errorf("%s is True", kind)
		}
	}
	return nil
}
