// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

func role(uid, version string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"kind": "Role"}}
	u.SetName("r")
	u.SetUID(types.UID(uid))
	u.SetResourceVersion(version)
	return u
}

// TestLedgerBridgesTheCache: what was written counts until the cache shows it, is
// told that it is gone, or had time enough.
func TestLedgerBridgesTheCache(t *testing.T) {
	ref := plan.Ref{Kind: "Role", Name: "r"}
	cases := map[string]struct {
		cached *unstructured.Unstructured
		before func(*ledger)
		later  time.Duration
		want   string // version that counts; empty: none
		pends  bool
	}{
		"NotShownYet":     {want: "5", pends: true},
		"OlderIsShown":    {cached: role("1", "4"), want: "5", pends: true},
		"Shown":           {cached: role("1", "5"), want: "5"},
		"NewerIsShown":    {cached: role("1", "10"), want: "10"},
		"Deleted":         {before: func(l *ledger) { l.gone(role("1", "9")) }},
		"FormerDeleted":   {before: func(l *ledger) { l.gone(role("0", "3")) }, want: "5", pends: true},
		"NeverShown":      {later: settle + 1},
		"OlderForTooLong": {cached: role("1", "4"), later: settle + 1, want: "4"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l, d := newLedger(), &v1alpha1.CSIDriverDeployment{}
			start := time.Unix(0, 0)
			l.now = func() time.Time { return start }
			p := plan.Plan{{Ref: ref, Intent: role("", "")}}
			if err := l.note(d, p, apply.Report{Applied: []apply.Applied{{Ref: ref, Object: role("1", "5")}}}); err != nil {
				t.Fatal(err)
			}
			if tc.before != nil {
				tc.before(l)
			}
			l.now = func() time.Time { return start.Add(tc.later) }
			live := objects{}
			if tc.cached != nil {
				live[ref] = tc.cached
			}
			newest := l.newest(d, ref.Kind, maps.Clone(live))[ref]
			if (newest == nil) != (tc.want == "") || newest != nil && newest.GetResourceVersion() != tc.want {
				t.Errorf("the newest is %v, want version %q", newest, tc.want)
			}
			pending := l.overlay(d, live)
			got := ""
			if live[ref] != nil {
				got = live[ref].GetResourceVersion()
			}
			if got != tc.want || pending != tc.pends {
				t.Errorf("version %q counts, pending %t; want %q, %t", got, pending, tc.want, tc.pends)
			}
		})
	}
}

// TestLedgerBeginsWithStatus, and tries again what the API server did not know.
func TestLedgerBeginsWithStatus(t *testing.T) {
	d := &v1alpha1.CSIDriverDeployment{}
	d.Status.Objects = []v1alpha1.ObjectStatus{
		{Kind: "Role", Namespace: "n", Name: "r", UID: "1", Generation: 3, Applied: "a/b"},
		{Kind: "CSIDriver", Name: "d", UID: "2", Applied: "c/d", OmittedFields: []string{"spec.x"}},
		{Kind: "StorageClass", Name: "never"},
	}
	want := map[plan.Ref]plan.Record{
		{Kind: "Role", Namespace: "n", Name: "r"}: {Intent: "a", Live: "b", UID: "1", Generation: 3},
		{Kind: "CSIDriver", Name: "d"}:            {Live: "d", UID: "2"},
	}
	if diff := cmp.Diff(want, newLedger().records(d)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestRefusalStands: what the API server refused is not sent again before a minute is
// over, or something about it has changed.
func TestRefusalStands(t *testing.T) {
	const generation = 3
	refused := &apply.RefusedError{Reason: "quota"}
	before := plan.Change{Ref: plan.Ref{Kind: "Role", Name: "r"}, Intent: role("", ""), Live: role("1", "5")}
	other := role("", "")
	other.Object["rules"] = []any{}
	counted := func(generation int64, version string) *unstructured.Unstructured {
		u := role("1", version)
		u.SetGeneration(generation)
		return u
	}
	cases := map[string]struct {
		err         error
		first, then plan.Change
		later       time.Duration
		asked       int64 // by which generation of the deployment
		want        bool
	}{
		"Same":             {err: refused, then: before, want: true},
		"AlmostForgotten":  {err: refused, then: before, later: afterRefusal - time.Second, want: true},
		"Denied":           {err: &apply.DeniedError{}, then: before, want: true},
		"MayPass":          {err: errors.New("timeout"), then: before},
		"AskedAnew":        {err: refused, then: before, asked: 1},
		"LongAgo":          {err: refused, then: before, later: afterRefusal},
		"OtherIntent":      {err: refused, then: plan.Change{Ref: before.Ref, Intent: other, Live: before.Live}},
		"OtherVersion":     {err: refused, then: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: role("1", "6")}},
		"OtherObject":      {err: refused, then: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: role("2", "5")}},
		"Gone":             {err: refused, then: plan.Change{Ref: before.Ref, Intent: before.Intent}},
		"OnlyOtherStatus":  {err: refused, first: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: counted(2, "5")}, then: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: counted(2, "6")}, want: true},
		"OtherGeneration":  {err: refused, first: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: counted(2, "5")}, then: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: counted(3, "6")}},
		"NotSentAtTheTime": {err: refused, first: plan.Change{Ref: before.Ref, Intent: before.Intent, Live: before.Live, Refused: refused}, then: before},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.first.Intent == nil {
				tc.first = before
			}
			l, d := newLedger(), &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Generation: generation}}
			start := time.Unix(0, 0)
			l.now = func() time.Time { return start }
			if err := l.note(d, plan.Plan{tc.first}, apply.Report{Failed: []apply.Failed{{Ref: before.Ref, Err: tc.err}}}); err != nil {
				t.Fatal(err)
			}
			l.now = func() time.Time { return start.Add(tc.later) }
			d.Generation += tc.asked
			p := plan.Plan{tc.then}
			again, err := l.hold(d, p)
			if err != nil {
				t.Fatal(err)
			}
			if held := p[0].Refused != nil; held != tc.want || held && !errors.Is(p[0].Refused, tc.err) {
				t.Errorf("held by %v, want held %t", p[0].Refused, tc.want)
			}
			if left := afterRefusal - tc.later; tc.want && again != left || !tc.want && again != 0 {
				t.Errorf("to look again in %s, %s are left", again, left)
			}
		})
	}
}

// TestOmittedFieldsAreRetried by a process that may write, whenever it may.
func TestOmittedFieldsAreRetried(t *testing.T) {
	d := &v1alpha1.CSIDriverDeployment{}
	d.Status.Objects = []v1alpha1.ObjectStatus{{Kind: "Role", Name: "r", UID: "1", Applied: "a/b", OmittedFields: []string{"rules"}}}
	l, ref := newLedger(), plan.Ref{Kind: "Role", Name: "r"}
	for _, tc := range []struct {
		state v1alpha1.ManagementState
		want  string
	}{{v1alpha1.PlanOnly, "a"}, {v1alpha1.Managed, ""}} {
		d.Spec.ManagementState = tc.state
		if got := l.records(d)[ref].Intent; got != tc.want {
			t.Errorf("%s: intent is %q, want %q", tc.state, got, tc.want)
		}
	}
}

// TestLedgerKnowsOldDrivers: what is older than the last write of its status is not
// worked on, but not for ever.
func TestLedgerKnowsOldDrivers(t *testing.T) {
	at := func(version string) *v1alpha1.CSIDriverDeployment {
		return &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{UID: "1", ResourceVersion: version}}
	}
	l, start := newLedger(), time.Unix(0, 0)
	l.now = func() time.Time { return start }
	if l.behind(at("4")) {
		t.Error("behind what was never written")
	}
	l.tell(at("5"))
	for version, want := range map[string]bool{"4": true, "5": false, "10": false} {
		if got := l.behind(at(version)); got != want {
			t.Errorf("version %s: behind is %t", version, got)
		}
	}
	l.now = func() time.Time { return start.Add(settle + 1) }
	if l.behind(at("4")) {
		t.Error("behind for ever")
	}
	l.now = func() time.Time { return start }
	l.forget("1")
	if l.behind(at("4")) {
		t.Error("behind one that is gone")
	}
}
