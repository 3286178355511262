// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"sync"
	"time"

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
	now     func() time.Time
}

type entry struct {
	record  plan.Record
	omitted []string
	reply   *unstructured.Unstructured // nil once the cache has shown it
	at      time.Time                  // of the reply
}

func newLedger() *ledger {
	return &ledger{drivers: map[types.UID]map[plan.Ref]entry{}, now: time.Now}
}

// of returns the entries of a driver, at first those of its status. What was
// applied without fields that the API server did not know is applied again by each
// new process: the server may know them by now.
func (l *ledger) of(d *v1alpha1.CSIDriverDeployment) map[plan.Ref]entry {
	entries, known := l.drivers[d.UID]
	if known {
		return entries
	}
	entries = map[plan.Ref]entry{}
	for _, o := range d.Status.Objects {
		intent, live, _ := strings.Cut(o.Applied, "/")
		if len(o.OmittedFields) > 0 {
			intent = ""
		}
		entries[plan.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}] = entry{
			record: plan.Record{Intent: intent, Live: live, UID: o.UID, Generation: o.Generation}, omitted: o.OmittedFields,
		}
	}
	l.drivers[d.UID] = entries
	return entries
}

// records are what is known of a driver's objects.
func (l *ledger) records(d *v1alpha1.CSIDriverDeployment) map[plan.Ref]plan.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := map[plan.Ref]plan.Record{}
	for ref, e := range l.of(d) {
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
		case e.reply == nil:
		case l.now().Sub(e.at) > settle || shows(live[ref], e.reply):
			e.reply = nil
			entries[ref] = e
		default:
			live[ref] = e.reply
			pending = true
		}
	}
	return pending
}

// shows tells whether the cache has an object in the version of a reply, or newer.
func shows(cached, reply *unstructured.Unstructured) bool {
	if cached == nil {
		return false
	}
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
	intents := map[plan.Ref]*unstructured.Unstructured{}
	for _, change := range p {
		intents[change.Ref] = change.Intent
	}
	for _, a := range report.Applied {
		record, err := plan.NewRecord(intents[a.Ref], a.Object)
		if err != nil {
			return err
		}
		entries[a.Ref] = entry{record: record, omitted: a.Omitted, reply: a.Object, at: l.now()}
	}
	return nil
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
}

// omitted are the fields that the API server did not take, by object.
func (l *ledger) omitted(d *v1alpha1.CSIDriverDeployment) map[plan.Ref][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	omitted := map[plan.Ref][]string{}
	for ref, e := range l.of(d) {
		omitted[ref] = e.omitted
	}
	return omitted
}
