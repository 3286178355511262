// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// manyDrivers is how many drivers are deleted as soon as they are created.
const manyDrivers = 60

// TestUnseen: what happens while the operator does not look leaves nothing behind either.
func TestUnseen(t *testing.T) {
	d := newDrill(t, 1)
	d.operator.start()
	d.measure()
	t.Run("DeletedAtOnce", func(t *testing.T) { d.on(t).deletedAtOnce() })
	t.Run("MadeAnew", func(t *testing.T) { d.on(t).madeAnew() })
	t.Run("LabelLostThenDeleted", func(t *testing.T) { d.on(t).labelLost(remove) })
	t.Run("LabelLostThenUnwanted", func(t *testing.T) { d.on(t).labelLost(unwant) })
	if err := d.operator.kill(); err != nil {
		t.Error(err)
	}
}

// on is the same drill in a test of its own, without any drivers.
func (d *drill) on(t *testing.T) *drill {
	part, whole := *d, d.operator.t
	part.t, part.drivers, d.operator.t = t, nil, t
	t.Cleanup(func() { d.operator.t = whole })
	return &part
}

// deletedAtOnce deletes drivers while the operator puts its finalizer on them: the API
// server may take both, and the object is gone in spite of the finalizer.
func (d *drill) deletedAtOnce() {
	for i := range manyDrivers {
		subject := newDriver(fmt.Sprintf("unseen-%d.example.com", i), "ns-one")
		d.drivers = append(d.drivers, subject)
		d.do(create, subject)
		d.pause(12 * time.Millisecond)
		d.do(remove, subject)
	}
	d.await("all are gone", func() error {
		s, err := d.cluster.look(d.t.Context())
		if err != nil {
			return err
		}
		var errs []error
		for _, subject := range d.drivers {
			errs = append(errs, gone(subject, s))
		}
		return errors.Join(errs...)
	})
}

// labelLost lets a class lose its label, and its reason to be there, while no operator
// runs.
func (d *drill) labelLost(end deed) {
	subject := newDriver("unlabelled.example.com", "ns-two")
	d.drivers = []*driver{subject}
	d.do(createPlain, subject)
	d.converge()
	if err := d.operator.kill(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.cluster.spoil(d.t.Context(), subject, drift{kind: "StorageClass", patch: `[{"op":"remove","path":"/metadata/labels"}]`, unlabelled: true}); err != nil {
		d.t.Fatal(err)
	}
	d.do(end, subject)
	d.operator.start()
	d.converge()
	if subject.phase == managed {
		d.do(remove, subject)
		d.converge()
	}
}

// madeAnew lets somebody delete the CSIDriver, and an operator that made another one be
// killed before it could note that in the status.
func (d *drill) madeAnew() {
	subject := newDriver("anew.example.com", "ns-two")
	d.drivers = []*driver{subject}
	d.do(create, subject)
	d.converge()
	if err := d.operator.kill(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.cluster.spoil(d.t.Context(), subject, drift{kind: "CSIDriver", anew: true}); err != nil {
		d.t.Fatal(err)
	}
	d.do(again("CSIDriver"), subject)
	d.operator.start()
	d.converge()
	d.do(remove, subject)
	d.converge()
}

// again applies the objects of a kind as the operator does.
func again(kind string) deed {
	return func(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
		now := &v1alpha1.CSIDriverDeployment{}
		if err := c.Get(ctx, client.ObjectKey{Name: d.name}, now); err != nil {
			return err
		}
		set, err := desired.Render(now, facts)
		if err != nil {
			return err
		}
		for _, o := range set.Objects {
			if o.Intent.GetKind() != kind {
				continue
			}
			if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.Intent), client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
				return err
			}
		}
		return nil
	}
}

// unwant takes the class of an omitted list out of the spec.
func unwant(ctx context.Context, c *cluster, _ *rand.Rand, d *driver) error {
	d.settings.listed, d.settings.plain, d.settings.extra = true, false, false
	d.coming(d.plainClass())
	d.coming(d.extraClass())
	d.ask(change)
	d.move()
	return c.update(ctx, d)
}
