// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// step is something that somebody does to a driver.
type step struct {
	name string
	from []phase
	// rested says that it needs a driver of which nothing was asked since it was
	// found as it must be.
	rested bool
	// weight is how often it is done, against the others.
	weight int
	do     deed
}

// deed is what is done, with dice where there is a choice.
type deed func(context.Context, *cluster, *rand.Rand, *driver) error

func steps() []step {
	return []step{
		{name: "create", from: []phase{absent}, weight: 1, do: create},
		{name: "change", from: []phase{managed, planned}, weight: 2, do: edit},
		{name: "meddle", from: []phase{managed}, rested: true, weight: 6, do: meddle},
		{name: "plan", from: []phase{managed}, rested: true, weight: 3, do: planOnly},
		{name: "unmanage", from: []phase{managed}, rested: true, weight: 3, do: unmanage},
		{name: "manage", from: []phase{planned}, weight: 4, do: manage},
		{name: "manage again", from: []phase{unmanaged}, weight: 1, do: manage},
		{name: "release", from: []phase{unmanaged}, weight: 2, do: release},
		{name: "hold and delete", from: []phase{managed}, rested: true, weight: 4, do: hold},
		{name: "let go", from: []phase{held}, weight: 1, do: letGo},
		{name: "delete", from: []phase{managed, planned}, weight: 1, do: remove},
	}
}

// choose is a step that a driver can take, nil if there is none.
func choose(dice *rand.Rand, d *driver) *step {
	all := slices.DeleteFunc(steps(), func(s step) bool { return !slices.Contains(s.from, d.phase) || s.rested && d.asked })
	sum := 0
	for _, s := range all {
		sum += s.weight
	}
	if sum == 0 {
		return nil
	}
	at := dice.IntN(sum)
	for i := range all {
		if at -= all[i].weight; at < 0 {
			return &all[i]
		}
	}
	return nil
}

// ending is the step that ends a driver, nil if it needs none.
func ending(d *driver) deed {
	switch d.phase {
	case managed, planned:
		return remove
	case unmanaged:
		return release
	case held:
		return letGo
	case absent, deleted, released:
		return nil
	}
	return nil
}

func create(ctx context.Context, c *cluster, dice *rand.Rand, d *driver) error {
	return createChanged(ctx, c, dice, d, dice.IntN(3))
}

// createPlain creates a driver that has a class.
func createPlain(ctx context.Context, c *cluster, dice *rand.Rand, d *driver) error {
	return createChanged(ctx, c, dice, d, 0)
}

func createChanged(ctx context.Context, c *cluster, dice *rand.Rand, d *driver, changes int) error {
	d.settings = settings{state: v1alpha1.Managed, plain: true}
	for range changes {
		mutate(dice, d)
	}
	d.restless = map[plan.Ref]bool{}
	d.ask(install)
	now := d.deployment()
	if err := c.Create(ctx, now); err != nil {
		return err
	}
	d.phase, d.uid, d.generation = managed, now.UID, now.Generation
	return nil
}

// edit changes one to three things of the spec.
func edit(ctx context.Context, c *cluster, dice *rand.Rand, d *driver) error {
	for range 1 + dice.IntN(3) {
		mutate(dice, d)
	}
	d.ask(change)
	if d.phase == managed {
		d.move()
	}
	return c.update(ctx, d)
}

// mutate changes one setting. Each change is one against all specs before, classes
// apart.
func mutate(dice *rand.Rand, d *driver) {
	s := &d.settings
	serial := 50 + s.controller + s.node + s.pod + s.shared
	switch dice.IntN(8) {
	case 0:
		s.controller = serial
	case 1:
		s.node = serial
	case 2:
		s.pod = serial
	case 3:
		s.shared = serial
	case 4:
		s.listed, s.extra = true, !s.extra
		d.coming(d.extraClass())
	case 5:
		s.listed, s.plain = true, !s.plain
		d.coming(d.plainClass())
	case 6:
		s.listed, s.fixed = true, !s.fixed
	default:
		s.listed, s.noatime = true, !s.noatime
	}
}

// coming notes that an object comes or goes.
func (d *driver) coming(ref plan.Ref) {
	if d.phase == planned {
		return // it does not, yet
	}
	d.restless[ref] = true
	delete(d.stands, ref)
	delete(d.kept, ref)
}

// planOnly changes the spec and, at once, forbids to do it.
func planOnly(ctx context.Context, c *cluster, dice *rand.Rand, d *driver) error {
	d.settings.state = v1alpha1.PlanOnly
	d.phase = planned
	d.settings.controller += 50
	mutate(dice, d)
	d.ask(change)
	return c.update(ctx, d)
}

func unmanage(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
	d.settings.state = v1alpha1.Unmanaged
	d.phase = unmanaged
	d.ask(change)
	return c.update(ctx, d)
}

func manage(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
	d.settings.state = v1alpha1.Managed
	d.phase = managed
	d.ask(change)
	d.move()
	d.coming(d.plainClass())
	d.coming(d.extraClass())
	return c.update(ctx, d)
}

// release deletes an unmanaged deployment, whose objects stay as they are.
func release(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
	d.phase = released
	d.ask(removal)
	d.move()
	return c.Delete(ctx, d.deployment())
}

func remove(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
	d.phase = deleted
	d.ask(removal)
	d.move()
	return c.Delete(ctx, d.deployment())
}

// hold lets something stand in the way of a removal, and begins it.
func hold(ctx context.Context, c *cluster, dice *rand.Rand, d *driver) error {
	d.holder = holders()[dice.IntN(len(holders()))]
	if err := c.Create(ctx, d.holder.object(d)); err != nil {
		return err
	}
	d.phase = held
	d.ask(removal)
	d.move()
	d.unsettle(func(ref plan.Ref) bool { return slices.Contains(d.holder.goes, ref.Kind) })
	return c.Delete(ctx, d.deployment())
}

func letGo(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
	d.phase = deleted
	d.ask(removal)
	return c.free(ctx, d.holder.object(d))
}

// free deletes an object as the controller manager and kubelet let it go.
func (c *cluster) free(ctx context.Context, o client.Object) error {
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := c.Patch(ctx, o, patch); err != nil {
		return fmt.Errorf("freeing %T %s: %w", o, o.GetName(), err)
	}
	return c.Delete(ctx, o, client.GracePeriodSeconds(0))
}

// update writes the spec as it is asked for.
func (c *cluster) update(ctx context.Context, d *driver) error {
	return retry.OnError(retry.DefaultBackoff, apierrors.IsConflict, func() error {
		now := &v1alpha1.CSIDriverDeployment{}
		if err := c.Get(ctx, client.ObjectKey{Name: d.name}, now); err != nil {
			return err
		}
		now.Spec = d.spec()
		err := c.Update(ctx, now)
		d.generation = now.Generation
		return err
	})
}
