// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// settle is how long the cache may take to show what was written. After that it is
// believed: at worst, something is applied once more that is there already.
const settle = 10 * time.Second

// ledger is what this process knows of its own writes and the cache may not yet:
// what was applied, and what the API server answered. Its records go to status, by
// which the next process finds everything as it should be and writes nothing.
type ledger struct {
	mu      sync.Mutex
	drivers map[types.UID]map[plan.Ref]entry
	told    map[types.UID]told
	now     func() time.Time
	// outdated are the drivers whose last reconcile met somebody else's write.
	outdated map[types.UID]bool
}

type entry struct {
	record  plan.Record
	omitted []string
	reply   *unstructured.Unstructured // nil once the cache has shown it
	at      time.Time                  // of the reply
	retry   bool                       // what was omitted is tried again
	refusal refusal
	heals   *rate.Limiter // nil before the first
	rival   string        // who made the last one necessary
}

func newLedger() *ledger {
	return &ledger{drivers: map[types.UID]map[plan.Ref]entry{}, told: map[types.UID]told{}, outdated: map[types.UID]bool{}, now: time.Now}
}

// of returns the entries of a driver, at first those of its status. What was
// applied without fields that the API server did not know is applied again by each
// new process: the server may know them by now. Who calls it holds the lock.
func (l *ledger) of(d *v1alpha1.CSIDriverDeployment) map[plan.Ref]entry {
	entries, known := l.drivers[d.UID]
	if known {
		return entries
	}
	entries = map[plan.Ref]entry{}
	for _, o := range d.Status.Objects {
		intent, live, _ := strings.Cut(o.Applied, "/")
		entries[listedRef(o)] = entry{
			record:  plan.Record{Intent: intent, Live: live, UID: o.UID, Generation: o.Generation},
			omitted: o.OmittedFields, retry: len(o.OmittedFields) > 0,
		}
	}
	l.drivers[d.UID] = entries
	return entries
}

// records are the last applications to a driver's objects.
func (l *ledger) records(d *v1alpha1.CSIDriverDeployment) map[plan.Ref]plan.Record {
	records := map[plan.Ref]plan.Record{}
	for ref, e := range l.entries(d) {
		if e.retry && managed(d) {
			e.record.Intent = ""
		}
		if e.record != (plan.Record{}) {
			records[ref] = e.record
		}
	}
	return records
}

// overlay puts answers of the API server over what the cache shows, where they are
// newer, and tells whether it had to.
func (l *ledger) overlay(d *v1alpha1.CSIDriverDeployment, live objects) (pending bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := l.of(d)
	for ref, e := range entries {
		switch {
		case l.ahead(e, live[ref]):
			live[ref] = e.reply
			pending = true
		case e.reply != nil:
			e.reply = nil
			entries[ref] = e
		}
	}
	return pending
}

// ahead tells whether the last answer is newer than what the cache shows, and recent
// enough to be believed.
func (l *ledger) ahead(e entry, cached *unstructured.Unstructured) bool {
	return e.reply != nil && l.now().Sub(e.at) <= settle && (cached == nil || !shows(cached, e.reply))
}

// shows tells whether the cache has an object in the version of a reply, or newer.
func shows(cached, reply metav1.Object) bool {
	order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), reply.GetResourceVersion())
	return err != nil || order >= 0
}

// note keeps what was done.
func (l *ledger) note(d *v1alpha1.CSIDriverDeployment, p plan.Plan, report apply.Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := l.of(d)
	for _, ref := range report.Removed {
		delete(entries, ref)
	}
	changes := map[plan.Ref]plan.Change{}
	for _, change := range p {
		changes[change.Ref] = change
	}
	for _, a := range report.Applied {
		change := changes[a.Ref]
		record, err := plan.NewRecord(change.Intent, a.Object)
		if err != nil {
			return err
		}
		before := entries[a.Ref]
		e := entry{record: record, omitted: a.Omitted, reply: a.Object, at: l.now(), heals: before.heals, rival: before.rival}
		if heals(change) {
			l.countHealing(&e, change)
		}
		entries[a.Ref] = e
	}
	return l.noteFailed(d, changes, report.Failed)
}

// gone forgets the reply for an object that was deleted, or lost its label.
func (l *ledger) gone(o client.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ref := plan.RefOf(o)
	for _, entries := range l.drivers {
		if e, known := entries[ref]; known && e.reply != nil && e.reply.GetUID() == o.GetUID() {
			e.reply = nil
			entries[ref] = e
		}
	}
}

// forget ends the account of a driver that is gone.
func (l *ledger) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.drivers, uid)
	delete(l.told, uid)
	delete(l.outdated, uid)
}

// newest are the objects of a kind as the cache shows them, or as they were in the answer
// to the last write where the cache does not show that yet.
func (l *ledger) newest(d *v1alpha1.CSIDriverDeployment, kind string, cached map[plan.Ref]*unstructured.Unstructured) map[plan.Ref]*unstructured.Unstructured {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, e := range l.of(d) {
		if ref.Kind == kind && l.ahead(e, cached[ref]) {
			cached[ref] = e.reply
		}
	}
	return cached
}

// drop forgets objects of a driver.
func (l *ledger) drop(d *v1alpha1.CSIDriverDeployment, refs []plan.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := l.of(d)
	for _, ref := range refs {
		delete(entries, ref)
	}
}

// entries are all that is known of a driver's objects.
func (l *ledger) entries(d *v1alpha1.CSIDriverDeployment) map[plan.Ref]entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.of(d))
}
