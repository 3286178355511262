// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"
)

const (
	// patience is how long something may take that must happen.
	patience = 60 * time.Second
	// poll is how often it is looked for.
	poll = 50 * time.Millisecond
	// stepsAtOnce is how many drivers are asked something between two kills.
	stepsAtOnce = 2
	// earlyKills is how many operators are killed while they start: one in so many.
	earlyKills = 5
	// storyLines is how much of the story is shown.
	storyLines = 60
)

// drill is an operator that is killed while drivers come, change and go.
type drill struct {
	t         *testing.T
	cluster   *cluster
	operator  *operator
	reference *reference
	dice      *rand.Rand
	drivers   []*driver // the first one is never asked for anything again
	span      time.Duration
	tally     tally
	story     []string // what was done, and when
}

// tell adds to the story.
func (d *drill) tell(format string, args ...any) {
	d.story = append(d.story, time.Now().Format(time.StampMilli)+" "+fmt.Sprintf(format, args...))
}

// round asks something of some drivers, kills the operator at some moment in the middle
// of it, starts the next one, which may be killed while it starts, and looks at what they
// have left.
func (d *drill) round(kills int) {
	d.t.Helper()
	d.operator.awaitWork()
	for range stepsAtOnce {
		d.step()
	}
	d.pause(d.span * 3 / 4)
	d.kill()
	for d.dice.IntN(earlyKills) == 0 && d.tally.kills < kills {
		d.pause(d.operator.filling)
		d.kill()
	}
	d.count(d.look())
}

// step asks the next driver that can be asked something, from a random one on.
func (d *drill) step() {
	d.t.Helper()
	from := d.dice.IntN(len(d.drivers))
	for i := range d.drivers {
		subject := d.drivers[(from+i)%len(d.drivers)]
		if subject == d.reference.driver {
			continue
		}
		if s := choose(d.dice, subject); s != nil {
			d.tell("%s %s", s.name, subject.name)
			d.do(s.do, subject)
			d.tally.steps[s.name]++
			return
		}
	}
}

// do does something to a driver.
func (d *drill) do(it deed, subject *driver) {
	d.t.Helper()
	if err := it(d.t.Context(), d.cluster, d.dice, subject); err != nil {
		d.t.Fatalf("%s, asked to be %s: %v", subject.name, subject.phase, err)
	}
}

// pause waits for a random part of a time.
func (d *drill) pause(longest time.Duration) {
	timer := time.NewTimer(time.Duration(d.dice.Float64() * float64(longest)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.operator.process.ended: // kill tells of it
	}
}

// kill kills the operator and starts the next one.
func (d *drill) kill() {
	d.t.Helper()
	if !d.operator.works() {
		d.tally.starting++
	}
	d.tell("kill, working: %t", d.operator.works())
	if err := d.operator.kill(); err != nil {
		d.t.Fatal(err)
	}
	d.tally.kills++
	d.tally.errors += d.operator.before.journal.count(`"level":"error"`)
	d.operator.start()
}

// look reads what is there; nothing may be harmed at any time.
func (d *drill) look() sight {
	d.t.Helper()
	s, err := d.cluster.look(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, subject := range d.drivers {
		if err := subject.unharmed(s); err != nil {
			d.t.Fatal(err)
		}
		subject.learn(s)
	}
	return s
}

// converge waits until every driver is what was asked for.
func (d *drill) converge() {
	d.t.Helper()
	var s sight
	d.await("every driver is what was asked for", func() error {
		s = d.look()
		for _, subject := range d.drivers {
			if err := d.reference.done(d.t.Context(), subject, s); err != nil {
				return err
			}
		}
		return nil
	})
	d.tell("everything is as it must be")
	for _, subject := range d.drivers {
		var err error
		switch subject.phase {
		case released:
			err = d.cluster.clear(d.t.Context(), subject)
		case managed:
			err = d.cluster.elect(d.t.Context(), subject)
		case absent, planned, unmanaged, held, deleted:
		}
		if err != nil {
			d.t.Fatal(err)
		}
		subject.rest(s)
	}
}

// end removes all drivers and waits until nothing of any is left.
func (d *drill) end() {
	d.t.Helper()
	for _, subject := range d.drivers {
		if step := ending(subject); step != nil {
			d.do(step, subject)
		}
	}
	d.converge()
	found, err := d.cluster.labelled(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	if len(found) > 0 {
		d.t.Errorf("left behind: %q", found)
	}
	if err := d.operator.kill(); err != nil { // the last one may have panicked too
		d.t.Error(err)
	}
}

func (d *drill) await(what string, check func() error) {
	d.t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(d.t.Context(), poll, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		d.t.Fatalf("%s: %v", what, last)
	}
}

// explain shows what the drivers that are not what was asked for and the operator say. It runs when the test has failed.
func (d *drill) explain() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := d.cluster.look(ctx)
	if err != nil {
		d.t.Log(err)
	}
	for _, subject := range d.drivers {
		if d.reference.done(ctx, subject, s) == nil {
			continue
		}
		text := "is not there"
		if now := s.deployments[subject.name]; now != nil {
			now.ManagedFields = nil
			out, err := yaml.Marshal(now)
			text = fmt.Sprintf("%s(%v)", out, err)
		}
		d.t.Logf("%s, asked to be %s: %s", subject.name, subject.phase, text)
	}
	d.t.Logf("what was done:\n%s", strings.Join(last(d.story, storyLines), "\n"))
	d.t.Log(d.operator.logs())
}
