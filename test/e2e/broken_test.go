// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// customDriverBreaks has the controller of one driver fail in one way after the other. It
// claims nothing that needs a sidecar but csi-provisioner, and runs on no node.
func customDriverBreaks(t *testing.T) {
	claims := claiming("Identity/CONTROLLER_SERVICE", "Controller/CREATE_DELETE_VOLUME")
	d := testDriver("broken.example.com", claims, "--behaviour=hang")
	d.Spec.Controller.Replicas = new(int32(1))
	d.Spec.Nodes = []v1alpha1.NodePool{}
	t.Cleanup(func() {
		if err := os.RemoveAll(dataOf(d.Name)); err != nil {
			t.Error(err)
		}
	})
	create(t, d)
	tellsWithin(t, "driver-does-not-answer", startPatience, d, func() error {
		return mismatch(d, v1alpha1.ReasonNoAnswer, "the driver does not answer")(t.Context())
	})
	r, err := row(d, v1alpha1.ComponentController, "driver")
	if err != nil {
		t.Fatal(err)
	}
	if r.State == v1alpha1.SidecarHealthy {
		t.Errorf("the driver that hangs has the row %+v", r)
	}
	if len(d.Status.Driver.Capabilities) > 0 {
		t.Errorf("capabilities are %v of a driver that never answered", d.Status.Driver.Capabilities)
	}

	told(t, d, claims, "--driver-version=")
	tellsWithin(t, "driver-without-version", startPatience, d, func() error {
		return mismatch(d, v1alpha1.ReasonNoAnswer, "no version")(t.Context())
	})
	told(t, d, claims, "--driver-name=other.example.com")
	await(t, "a driver of another name is told", mismatch(d, v1alpha1.ReasonDiffers, `"other.example.com"`))

	told(t, d, claims, "--behaviour=crash")
	await(t, "a driver that crashes has its last line in the status", lastWords(d, 3, "crashed as told"))

	told(t, d, claims)
	await(t, "the driver is well again", ready(d))
	await(t, "its sidecar is there", controllerRuns(d, "csi-provisioner"))
	missesSecret(t, d)
}

// missesSecret gives the driver a volume of a Secret that comes later. Only an event tells
// of that.
func missesSecret(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	absent := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "e2e-absent", Namespace: customNamespace}}
	changed(t, d, func() {
		d.Spec.Controller.Pod = fragment(`{"volumes":[{"name":"absent","secret":{"secretName":"` + absent.Name + `"}}],` +
			`"containers":[{"name":"driver","volumeMounts":[{"name":"absent","mountPath":"/absent","readOnly":true}]}]}`)
	})
	await(t, "the missing Secret is told", func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		r, err := row(d, v1alpha1.ComponentController, "driver")
		if err != nil {
			return err
		}
		if r.State != v1alpha1.SidecarDown || !strings.Contains(r.Message, "FailedMount") || !strings.Contains(r.Message, `secret "`+absent.Name+`" not found`) {
			return fmt.Errorf("row is %+v", r)
		}
		return nil
	})
	create(t, absent)
	await(t, "the driver is Ready with its Secret", ready(d))
}

// mismatch is nil when the status says, of the newest spec, what is wrong with the
// driver's answer.
func mismatch(d *v1alpha1.CSIDriverDeployment, reason, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := condition(d, v1alpha1.ConditionCapabilitiesMatch, "False", reason)(ctx); err != nil {
			return err
		}
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionCapabilitiesMatch)
		if c.ObservedGeneration != d.Generation || !strings.Contains(c.Message, text) {
			return fmt.Errorf("condition is %+v, want %q in it, of generation %d", c, text, d.Generation)
		}
		if meta.IsStatusConditionTrue(d.Status.Conditions, v1alpha1.ConditionReady) {
			return errors.New("the driver is Ready all the same")
		}
		return nil
	}
}

// lastWords is nil when the row of the driver tells how it ended.
func lastWords(d *v1alpha1.CSIDriverDeployment, code int32, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		r, err := row(d, v1alpha1.ComponentController, "driver")
		if err != nil {
			return err
		}
		w := r.Worst
		if w == nil || w.ExitCode == nil || *w.ExitCode != code || !strings.Contains(w.LastMessage, text) {
			return fmt.Errorf("row is %+v, worst %+v, want exit code %d and %q", r, w, code, text)
		}
		return nil
	}
}
