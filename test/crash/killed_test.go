// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crash kills the operator, as a process, at random moments.
package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

const (
	// defaultKills is how often the operator is killed.
	defaultKills = 50
	// longest is the longest time that an operator works until it is killed.
	longest = 2 * time.Second
	// killsInARow is after how many kills the operator is left alone until every driver
	// is what was asked for.
	killsInARow = 5
)

// number reads an environment variable.
func number(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("$%s is %q: give a number", name, text)
	}
	return n
}

// TestKilled: whenever the operator is killed, the next one ends with the same as one
// that nobody disturbed, and has harmed nothing on the way.
func TestKilled(t *testing.T) {
	begun := time.Now()
	seed, kills := number(t, "CRASH_SEED", begun.UnixNano()), int(number(t, "CRASH_KILLS", defaultKills))
	again := fmt.Sprintf("CRASH_SEED=%d CRASH_KILLS=%d go test -count=1 -v -run TestKilled ./test/crash", seed, kills)
	t.Logf("seed %d, %d kills", seed, kills)

	d := newDrill(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s. The same steps again, at other moments: %s", d.tally, again)
		}
	})
	d.operator.start()
	d.measure()
	prepared := time.Since(begun)
	for left := killsInARow; d.tally.kills < kills; {
		if by, limited := t.Deadline(); limited && time.Until(by) < 2*patience {
			t.Fatalf("%d of %d kills are done, and -timeout is near", d.tally.kills, kills)
		}
		d.round(kills)
		if d.tally.kills >= left {
			d.converge()
			left = d.tally.kills + killsInARow
		}
	}
	d.converge()
	d.end()
	t.Logf("%s. Seed %d, %s, and %s before that to build and to start; killed within %s, or while starting within %s", d.tally, seed,
		(time.Since(begun) - prepared).Round(time.Second), prepared.Round(time.Second), d.span.Round(time.Millisecond), d.operator.filling.Round(time.Millisecond))
}

// newDrill starts an API server, and builds the operator.
func newDrill(t *testing.T, seed int64) *drill {
	t.Helper()
	d := &drill{t: t, dice: rand.New(rand.NewPCG(uint64(seed), 0)), tally: tally{during: map[activity]int{}, steps: map[string]int{}}} //nolint:gosec // it repeats
	d.cluster = startCluster(t, "ns-one", "ns-two")
	d.operator = newOperator(t, d.cluster)
	d.reference = &reference{cluster: d.cluster, fresh: map[string]string{}}
	t.Cleanup(func() {
		if t.Failed() {
			d.explain()
		}
	})
	d.drivers = []*driver{
		newDriver("reference.example.com", "ns-one"),
		newDriver("a.example.com", ""),
		newDriver("b.example.com", ""),
		newDriver("c.example.com", "ns-two"),
		newDriver("d.example.com", "ns-two"),
		newDriver("e.example.com", "ns-one"),
		newDriver("f.example.com", "ns-one"),
	}
	return d
}

// measure installs the driver that all others are compared with, and lets an undisturbed
// operator install and remove as many as are asked something between two kills: it is
// killed within the time that this takes.
func (d *drill) measure() {
	d.t.Helper()
	d.operator.awaitWork()
	first := d.drivers[0]
	d.reference.driver = first
	d.do(create, first)
	d.await("the reference is installed", func() error { return d.settled(first) })

	some := d.drivers[1 : 1+stepsAtOnce]
	for _, work := range []deed{create, remove} {
		begun := time.Now()
		for _, subject := range some {
			d.do(work, subject)
		}
		d.await("the operator has done it", func() error { return d.worked(some) })
		d.span = min(max(d.span, time.Since(begun)), longest)
		d.converge()
	}
}

// worked is an error until the operator has done what was asked, as its status tells.
func (d *drill) worked(some []*driver) error {
	for _, subject := range some {
		now := &v1alpha1.CSIDriverDeployment{}
		err := d.cluster.Get(d.t.Context(), client.ObjectKey{Name: subject.name}, now)
		switch {
		case subject.phase == managed && err == nil:
			if !meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionApplied) {
				return fmt.Errorf("the conditions are %v", conditions(now))
			}
		case subject.phase != deleted || !apierrors.IsNotFound(err):
			return fmt.Errorf("%s is %s: %w", subject.name, subject.phase, err)
		}
	}
	return nil
}

// settled takes over the status of the reference, once it is the last word.
func (d *drill) settled(first *driver) error {
	s, err := d.cluster.look(d.t.Context())
	if err != nil {
		return err
	}
	now := s.deployments[first.name]
	if c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionControllerAvailable); c == nil {
		return fmt.Errorf("the conditions are %v", conditions(now))
	}
	d.reference.status = now.Status
	return d.reference.done(d.t.Context(), first, s)
}
