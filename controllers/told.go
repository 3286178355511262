// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// told is in which version, and when, a driver's status was written last.
type told struct {
	version string
	when    time.Time
}

// tell keeps the version that a driver has since its status was written.
func (l *ledger) tell(d *v1alpha1.CSIDriverDeployment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[d.UID] = told{version: d.ResourceVersion, when: l.now()}
}

// excuses tells whether a reconcile ended in a way that needs no word to anybody: it met
// somebody who wrote at the same time, for the first time in a row.
func (l *ledger) excuses(d *v1alpha1.CSIDriverDeployment, outdated bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := outdated && !l.outdated[d.UID]
	if outdated {
		l.outdated[d.UID] = true
	} else {
		delete(l.outdated, d.UID)
	}
	return first
}

// behind tells whether a driver is older than the status that was written last, so
// that the API server would refuse what is written on it.
func (l *ledger) behind(d *v1alpha1.CSIDriverDeployment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.told[d.UID]
	if !known || l.now().Sub(last.when) > settle {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(d.ResourceVersion, last.version)
	return err == nil && order < 0
}
