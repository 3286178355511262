// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strconv"
	"time"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// refusal is what the API server said to a change, and when.
type refusal struct {
	err  error
	of   string // attemptOf the change
	when time.Time
}

// noteFailed keeps what the API server refused, but not what was not sent at all. Who
// calls it holds the lock.
func (l *ledger) noteFailed(d *v1alpha1.CSIDriverDeployment, changes map[plan.Ref]plan.Change, failed []apply.Failed) error {
	entries := l.of(d)
	for _, f := range failed {
		change := changes[f.Ref]
		if r := reasonOf(f.Err); change.Refused != nil || r != v1alpha1.ReasonApplyRefused && r != v1alpha1.ReasonRBACDenied {
			continue
		}
		attempt, err := attemptOf(d, change)
		if err != nil {
			return err
		}
		e := entries[f.Ref]
		e.refusal = refusal{err: f.Err, of: attempt, when: l.now()}
		entries[f.Ref] = e
	}
	return nil
}

// hold marks the changes that the API server has just refused, so that not every
// event sends them again, and those that others undo each time. It tells when to look
// at them again; 0 for none. Whoever changes the deployment or the object has what was
// refused sent.
func (l *ledger) hold(d *v1alpha1.CSIDriverDeployment, p plan.Plan) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, again := l.of(d), time.Duration(0)
	for i := range p {
		e := entries[p[i].Ref]
		h, err := l.refused(d, e.refusal, p[i])
		if err != nil {
			return 0, err
		}
		if h.why == nil {
			h = l.contested(e, p[i])
		}
		p[i].Refused, again = h.why, sooner(again, h.left)
	}
	return again, nil
}

// held is why a change is not made now, and for how long; nil if it is.
type held struct {
	why  error
	left time.Duration
}

// refused holds a change back that the API server refused a moment ago.
func (l *ledger) refused(d *v1alpha1.CSIDriverDeployment, r refusal, change plan.Change) (held, error) {
	left := afterRefusal - l.now().Sub(r.when)
	if r.err == nil || change.Intent == nil || left <= 0 {
		return held{}, nil
	}
	attempt, err := attemptOf(d, change)
	if err != nil || attempt != r.of {
		return held{}, err
	}
	return held{why: r.err, left: left}, nil
}

// sooner is the shorter one of two times to wait; 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// attemptOf tells an attempt from another: by who asks for it, what is sent, and to
// which object, whose status is no part of it where that is known.
func attemptOf(d *v1alpha1.CSIDriverDeployment, change plan.Change) (string, error) {
	hash, err := plan.IntentHash(change.Intent)
	if err != nil {
		return "", err
	}
	attempt := fmt.Sprintf("%d/%s", d.Generation, hash)
	if change.Live == nil {
		return attempt, nil
	}
	version := change.Live.GetResourceVersion()
	if generation := change.Live.GetGeneration(); generation > 0 {
		version = strconv.FormatInt(generation, 10)
	}
	return fmt.Sprintf("%s/%s/%s", attempt, change.Live.GetUID(), version), nil
}
