// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/internal/taint"
)

// TestPatience: only who was there can be away, and the time begins when it is seen.
func TestPatience(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const endless, later = time.Duration(-1), 20 * time.Second
	served, missing, unwanted := taint.Node{Served: true, Wanted: true}, taint.Node{Wanted: true}, taint.Node{}
	cases := map[string]struct {
		seen []taint.Node // 20 seconds apart
		want []time.Duration
	}{
		"NeverThere": {[]taint.Node{missing, missing}, []time.Duration{endless, endless}},
		"Away": {
			[]taint.Node{served, missing, missing, missing, missing, missing},
			[]time.Duration{endless, retaintAfter, retaintAfter - later, retaintAfter - 2*later, 0, 0},
		},
		"BackInTime": {
			[]taint.Node{served, missing, missing, served, missing},
			[]time.Duration{endless, retaintAfter, retaintAfter - later, endless, retaintAfter},
		},
		"NotToComeBack": {
			[]taint.Node{served, missing, unwanted, missing},
			[]time.Duration{endless, retaintAfter, endless, endless},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := &taintMemory{now: func() time.Time { return now }, patience: retaintAfter}
			var got []time.Duration
			for i, n := range tc.seen {
				m.now = func() time.Time { return now.Add(time.Duration(i) * later) }
				n.UID = "1"
				got = append(got, m.patienceWith(n))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestTaintMemoryForgets what is of nodes that are gone, and answers that the cache shows.
func TestTaintMemoryForgets(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := &taintMemory{now: func() time.Time { return now }, patience: retaintAfter}
	node := func(version string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "1", ResourceVersion: version}}
	}
	m.away("1", now)
	m.wrote(node("7"))
	if got := m.newest(node("6")).ResourceVersion; got != "7" {
		t.Errorf("the cache is behind, and version %s is taken", got)
	}
	if got := m.newest(node("8")).ResourceVersion; got != "8" || len(m.written) > 0 {
		t.Errorf("the cache is newer, and version %s is taken, %d answers are kept", got, len(m.written))
	}
	m.wrote(node("9"))
	now = now.Add(settle + 1)
	if got := m.newest(node("8")).ResourceVersion; got != "8" {
		t.Errorf("after long, version %s is taken", got)
	}
	m.wrote(node("9"))
	m.keepOnly(nil)
	if len(m.absent)+len(m.written)+len(m.refused) > 0 {
		t.Errorf("a node that is gone is remembered: %+v", m)
	}
}
