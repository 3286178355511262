// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// done is an error as long as a driver is not what was asked for.
func (r *reference) done(ctx context.Context, d *driver, s sight) error {
	now := s.deployments[d.name]
	switch d.phase {
	case absent:
		return gone(d, s)
	case deleted:
		if err := gone(d, s); err != nil {
			return err
		}
		return orphaned(ctx, r.cluster, d, nil)
	case released:
		if err := gone(d, s); err != nil {
			return err
		}
		return left(ctx, r.cluster, d)
	case managed:
		return r.installed(ctx, d, now, s.objects[d.name])
	case planned:
		return told(now, metav1.Condition{
			Type: v1alpha1.ConditionApplied, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPlanOnly, Message: "managementState is Plan",
		})
	case unmanaged:
		return told(now, metav1.Condition{
			Type: v1alpha1.ConditionApplied, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonApplied,
		})
	case held:
		return isHeld(d, now, s.objects[d.name])
	}
	return fmt.Errorf("%s is in no phase", d.name)
}

// gone is an error while anything with the driver's label exists.
func gone(d *driver, s sight) error {
	if now := s.deployments[d.name]; now != nil {
		return fmt.Errorf("%s, %s, exists with finalizers %q and conditions %v", d.name, d.phase, now.Finalizers, conditions(now))
	}
	var names []string
	for ref, o := range s.objects[d.name] {
		names = append(names, fmt.Sprintf("%s of %s for %s", ref, o.GetCreationTimestamp().Format(time.TimeOnly), o.GetAnnotations()[v1alpha1.AnnotationUID]))
	}
	if len(names) > 0 {
		slices.Sort(names)
		return fmt.Errorf("%s is %s, its last uid was %s, and these have its label: %s", d.name, d.phase, d.uid, strings.Join(names, ", "))
	}
	if d.phase == released {
		return nil // its sidecars run, and use the Leases
	}
	for _, lease := range desired.Leases(d.name) {
		if s.leases[client.ObjectKey{Namespace: d.where(), Name: lease}] {
			return fmt.Errorf("%s is %s, and its Lease %s exists", d.name, d.phase, lease)
		}
	}
	return nil
}

// orphaned is an error while an object exists that the driver had and has no longer, with
// or without its label.
func orphaned(ctx context.Context, c *cluster, d *driver, there objects) error {
	for ref, uid := range d.had {
		if there[ref] != nil {
			continue
		}
		o := named(ref)
		err := c.Get(ctx, client.ObjectKeyFromObject(o), o)
		if err == nil && o.GetUID() == uid {
			return fmt.Errorf("%s is %s, and %s was left behind, with the labels %v", d.name, d.phase, ref, o.GetLabels())
		}
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// left is an error unless all that a released driver had is there, and is nobody's.
func left(ctx context.Context, c *cluster, d *driver) error {
	for ref, uid := range d.stands {
		o := named(ref)
		if err := c.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return fmt.Errorf("%s was released: %w", d.name, err)
		}
		if o.GetUID() != uid {
			return fmt.Errorf("%s was released, and %s was made anew", d.name, ref)
		}
		for _, label := range []string{v1alpha1.LabelDeployment, v1alpha1.LabelComponent, v1alpha1.LabelManagedBy} {
			if _, labelled := o.GetLabels()[label]; labelled {
				return fmt.Errorf("%s was released, and %s has the label %s", d.name, ref, label)
			}
		}
	}
	return nil
}

// clear removes what a released driver left.
func (c *cluster) clear(ctx context.Context, d *driver) error {
	var errs []error
	for ref := range d.stands {
		errs = append(errs, c.Delete(ctx, named(ref), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	}
	for _, l := range leases(d) {
		errs = append(errs, client.IgnoreNotFound(c.Delete(ctx, l)))
	}
	return errors.Join(errs...)
}

// elect makes the Leases that the driver's sidecars make.
func (c *cluster) elect(ctx context.Context, d *driver) error {
	for _, l := range leases(d) {
		if err := c.Create(ctx, l); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// isHeld is an error unless the removal waits for what holds the driver, and for
// nothing else.
func isHeld(d *driver, now *v1alpha1.CSIDriverDeployment, there objects) error {
	status := metav1.ConditionTrue
	if d.holder.condition == v1alpha1.ConditionApplied {
		status = metav1.ConditionFalse
	}
	err := told(now, metav1.Condition{Type: d.holder.condition, Status: status, Reason: d.holder.reason, Message: d.holder.message})
	if err == nil && len(there) != len(d.stands) {
		err = fmt.Errorf("%s is held, and has %d objects instead of %d", d.name, len(there), len(d.stands))
	}
	return err
}

// told is an error unless the status tells of a condition, whose message holds a text,
// for the newest generation.
func told(now *v1alpha1.CSIDriverDeployment, want metav1.Condition) error {
	if !controllerutil.ContainsFinalizer(now, v1alpha1.Finalizer) {
		return fmt.Errorf("%s has the finalizers %q", now.Name, now.Finalizers)
	}
	c := meta.FindStatusCondition(now.Status.Conditions, want.Type)
	if c == nil || c.Status != want.Status || c.Reason != want.Reason || c.ObservedGeneration != now.Generation || !strings.Contains(c.Message, want.Message) {
		return fmt.Errorf("%s of %s is %+v at generation %d, want %+v", want.Type, now.Name, c, now.Generation, want)
	}
	return nil
}

func conditions(d *v1alpha1.CSIDriverDeployment) []string {
	var out []string
	for _, c := range d.Status.Conditions {
		out = append(out, fmt.Sprintf("%s=%s/%s at %d: %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message))
	}
	return out
}
