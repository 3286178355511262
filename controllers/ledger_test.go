// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
