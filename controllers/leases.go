// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/csi-operator/csi-operator/internal/health"
)

// leases know who leads the sidecars of each driver. A Lease is renewed every few seconds,
// which wakes nobody: a driver is woken when one of its Leases has another holder, was not
// renewed for as long as it lasts, or is renewed again after that.
//
// How old a renewal is tells the clock of the operator by when it saw it, and not the time
// that another machine wrote.
type leases struct {
	watch watchLeases
	now   func() time.Time
	// changed wakes drivers.
	changed chan event.GenericEvent
	ctx     context.Context //nolint:containedctx // of the process, in which watches and timers run

	mu         sync.Mutex
	namespaces map[string]*leasesIn
	drivers    map[string]*followed
}

// leasesIn are the Leases of one namespace.
type leasesIn struct {
	synced cache.InformerSynced
	stop   context.CancelFunc
	byName map[string]*lease
	// until is how long a reconcile waits for the first list.
	until time.Time
	// watched is true since a watch was opened: without one, no renewal is seen.
	watched bool
}

// lease is what is known of one Lease.
type lease struct {
	holder, renewed string
	duration        time.Duration
	seen            time.Time // when it was renewed, by our clock
	lapsed          bool      // it was found not to be renewed in time
	moved           bool      // it was seen to be renewed, and not only to be there
}

// followed is what one driver was told of its Leases.
type followed struct {
	namespace string
	told      map[string]health.Lease // by name; the names are those that count
	timer     *time.Timer
}

// watchLeases passes the Leases of a namespace to a sink until the context ends.
type watchLeases func(ctx context.Context, namespace string, sink *leaseSink) (cache.InformerSynced, error)

func newLeases(watch watchLeases) *leases {
	return &leases{
		watch: watch, now: time.Now, changed: make(chan event.GenericEvent), ctx: context.Background(),
		namespaces: map[string]*leasesIn{}, drivers: map[string]*followed{},
	}
}

// begin has all watches end with a context.
func (l *leases) begin(ctx context.Context) { l.ctx = ctx }

// wake has drivers reconciled, unless the process ends.
func (l *leases) wake(drivers ...string) {
	for _, name := range drivers {
		if wakeBy(l.ctx, l.changed, name) != nil {
			return
		}
	}
}

// untilLeases is how long a reconcile waits for the first list of Leases in a namespace.
const untilLeases = 5 * time.Second

// of tells of the Leases of a driver, and follows them from now on. It tells of none as long
// as they cannot be listed: what is not known is not judged.
//
// What an earlier process told to be unled is so until a renewal is seen.
func (l *leases) of(ctx context.Context, driver, namespace string, names []string, unled map[string]bool) (map[string]health.Lease, error) {
	if len(names) == 0 {
		l.forget(driver)
		return nil, nil
	}
	in, err := l.follow(driver, namespace) //nolint:contextcheck // a watch outlives the reconcile that begins it
	if err != nil {
		return nil, err
	}
	known := l.await(ctx, in)
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.drivers[driver]
	if f == nil { // forgotten meanwhile
		return nil, nil
	}
	if known && f.told == nil {
		l.distrust(namespace, unled)
	}
	f.told = map[string]health.Lease{}
	for _, name := range names {
		if f.told[name] = unseen; known {
			f.told[name] = l.verdict(namespace, name)
		}
	}
	if !known {
		log.FromContext(ctx).Info("Leases are not known; may the operator list and watch them?", "namespace", namespace)
		return nil, nil
	}
	l.arm(driver, f)
	return maps.Clone(f.told), nil
}

// unseen is what a driver was told of a Lease before any was listed; all else is news.
var unseen = health.Lease{Holder: "?"}

// distrust has Leases be expired that were not renewed since they were seen first.
func (l *leases) distrust(namespace string, names map[string]bool) {
	for name, known := range l.namespaces[namespace].byName {
		known.lapsed = known.lapsed || names[name] && !known.moved
	}
}

// await waits for the first list of a namespace, and the watch after it.
func (l *leases) await(ctx context.Context, in *leasesIn) bool {
	seen := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return in.watched && in.synced()
	}
	ctx, cancel := context.WithTimeout(ctx, in.until.Sub(l.now()))
	defer cancel()
	return seen() || cache.WaitForCacheSync(ctx.Done(), seen)
}

// follow watches the Leases of a namespace for a driver.
func (l *leases) follow(driver, namespace string) (*leasesIn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.drivers[driver]
	if f != nil && f.namespace != namespace {
		l.drop(driver)
		f = nil
	}
	in := l.namespaces[namespace]
	if in == nil {
		ctx, stop := context.WithCancel(l.ctx)
		in = &leasesIn{stop: stop, byName: map[string]*lease{}, until: l.now().Add(untilLeases)}
		var err error
		if in.synced, err = l.watch(ctx, namespace, &leaseSink{l, in, namespace}); err != nil {
			stop()
			return nil, fmt.Errorf("watching the Leases in namespace %q: %w", namespace, err)
		}
		l.namespaces[namespace] = in
	}
	if f == nil {
		l.drivers[driver] = &followed{namespace: namespace}
	}
	return in, nil
}

// verdict is what to tell of a Lease now.
func (l *leases) verdict(namespace, name string) health.Lease {
	known := l.namespaces[namespace].byName[name]
	if known == nil || known.holder == "" {
		return health.Lease{}
	}
	known.lapsed = known.lapsed || l.now().Sub(known.seen) >= known.duration
	return health.Lease{Holder: known.holder, Expired: known.lapsed}
}

// arm sets the one timer of a driver to when the first of its Leases expires.
func (l *leases) arm(driver string, f *followed) {
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	var next time.Duration
	for name, told := range f.told {
		if told.Holder != "" && !told.Expired {
			known := l.namespaces[f.namespace].byName[name]
			next = sooner(next, max(known.duration-l.now().Sub(known.seen), time.Millisecond))
		}
	}
	if next > 0 {
		f.timer = time.AfterFunc(next, func() { l.expire(driver) })
	}
}

// expire wakes a driver if one of its Leases was not renewed in time.
func (l *leases) expire(driver string) {
	l.mu.Lock()
	f := l.drivers[driver]
	changed := f != nil && l.isNews(f)
	if f != nil && !changed {
		l.arm(driver, f)
	}
	l.mu.Unlock()
	if changed {
		l.wake(driver) // it asks, and the timer runs again
	}
}

// isNews tells whether a driver knows something else of its Leases than there is to tell.
func (l *leases) isNews(f *followed) bool {
	for name, told := range f.told {
		if l.verdict(f.namespace, name) != told {
			return true
		}
	}
	return false
}

// forget ends what is done for a driver, and for its namespace if no other driver is there.
func (l *leases) forget(driver string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(driver)
}

func (l *leases) drop(driver string) {
	f := l.drivers[driver]
	if f == nil {
		return
	}
	if f.timer != nil {
		f.timer.Stop()
	}
	delete(l.drivers, driver)
	inhabited := slices.ContainsFunc(slices.Collect(maps.Values(l.drivers)), func(o *followed) bool { return o.namespace == f.namespace })
	if in := l.namespaces[f.namespace]; in != nil && !inhabited {
		in.stop()
		delete(l.namespaces, f.namespace)
	}
}

// leaseSink takes what a watch of the Leases of one namespace brings.
type leaseSink struct {
	leases    *leases
	in        *leasesIn
	namespace string
}

// longAgo is how many times as long as it lasts a Lease must not have been renewed, by the
// clock of whoever wrote it, to have ended when it is seen first: clocks differ.
const longAgo = 10

// put notes a Lease as it is now.
func (s *leaseSink) put(o *coordinationv1.Lease) {
	s.change(func() {
		next := &lease{duration: defaultLease, seen: s.leases.now()}
		if o.Spec.HolderIdentity != nil {
			next.holder = *o.Spec.HolderIdentity
		}
		if o.Spec.LeaseDurationSeconds != nil {
			next.duration = time.Duration(*o.Spec.LeaseDurationSeconds) * time.Second
		}
		if o.Spec.RenewTime != nil {
			next.renewed = o.Spec.RenewTime.String()
		}
		last := s.in.byName[o.Name]
		switch {
		case last == nil:
			next.lapsed = o.Spec.RenewTime != nil && next.seen.Sub(o.Spec.RenewTime.Time) > longAgo*next.duration
		case last.holder == next.holder && last.renewed == next.renewed:
			next.seen, next.lapsed, next.moved = last.seen, last.lapsed, last.moved
		default:
			next.moved = true
		}
		s.in.byName[o.Name] = next
	})
}

// defaultLease is how long a Lease lasts that does not say it.
const defaultLease = 15 * time.Second

// remove notes that a Lease is gone.
func (s *leaseSink) remove(name string) { s.change(func() { delete(s.in.byName, name) }) }

// resume notes that the watch was interrupted: what was renewed meanwhile comes now.
func (s *leaseSink) resume() {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	s.in.watched = true
	for _, known := range s.in.byName {
		if !known.lapsed {
			known.seen = s.leases.now()
		}
	}
}

// change changes what is known and wakes the drivers to which that is news.
func (s *leaseSink) change(do func()) {
	l := s.leases
	l.mu.Lock()
	do()
	var woken []string
	for driver, f := range l.drivers {
		if f.namespace == s.namespace && l.namespaces[s.namespace] == s.in && l.isNews(f) {
			woken = append(woken, driver)
		}
	}
	l.mu.Unlock()
	l.wake(woken...)
}
