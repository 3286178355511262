// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

func TestSummarize(t *testing.T) {
	all := []string{
		v1alpha1.ConditionSpecValid, v1alpha1.ConditionApplied, v1alpha1.ConditionControllerAvailable,
		v1alpha1.ConditionCapabilitiesMatch, v1alpha1.ConditionNodesRegistered, v1alpha1.ConditionSidecarsHealthy, v1alpha1.ConditionClassesInSync,
	}
	with := func(bad ...string) (out []metav1.Condition) {
		for _, kind := range all {
			c := metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: "Fine", Message: "fine", ObservedGeneration: 7}
			for _, b := range bad {
				if b == kind {
					c.Status, c.Message = metav1.ConditionFalse, "bad "+kind
				}
			}
			out = append(out, c)
		}
		return out
	}
	old := with()
	old[2].ObservedGeneration = 6
	blocked := metav1.Condition{Type: v1alpha1.ConditionDeletionBlocked, Status: metav1.ConditionTrue, Reason: "VolumesExist", Message: "3 volumes"}
	when := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	type ready struct {
		Status          metav1.ConditionStatus
		Reason, Message string
	}
	cases := map[string]struct {
		conditions []metav1.Condition
		deleted    *metav1.Time
		want       ready
	}{
		"AllTrue": {conditions: with(), want: ready{"True", "Ready", "the driver is deployed and healthy"}},
		"CauseBeforeEffect": {
			conditions: with(v1alpha1.ConditionSidecarsHealthy, v1alpha1.ConditionApplied),
			want:       ready{"False", "NotReady", "Applied: bad Applied"},
		},
		"MissingIsNotTrue": {conditions: with()[:5], want: ready{"False", "NotReady", "SidecarsHealthy: not known yet"}},
		"OfAnOlderSpec":    {conditions: old, want: ready{"False", "NotReady", "ControllerAvailable: not known yet"}},
		"Deleted":          {conditions: with(), deleted: &when, want: ready{"False", "Deleting", "the driver's objects are being removed"}},
		"Blocked":          {conditions: append(with(), blocked), deleted: &when, want: ready{"False", "Deleting", "3 volumes"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Generation: 7, DeletionTimestamp: tc.deleted}}
			d.Status.Conditions = tc.conditions
			before := slices.Clone(tc.conditions)
			summarize(d)
			c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionReady)
			if diff := cmp.Diff(tc.want, ready{c.Status, c.Reason, c.Message}); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if c.ObservedGeneration != 7 || d.Status.ObservedGeneration != 7 {
				t.Errorf("Ready is of generation %d, the status of %d", c.ObservedGeneration, d.Status.ObservedGeneration)
			}
			for i, was := range before {
				if diff := cmp.Diff(was, d.Status.Conditions[i]); diff != "" {
					t.Errorf("a condition that this run did not compute: -before, +after:\n%s", diff)
				}
			}
		})
	}
}

func TestReasonOf(t *testing.T) {
	object := plan.Ref{Kind: "StorageClass", Name: "fast"}
	cases := map[string]struct {
		err   error
		want  string
		retry bool
	}{
		"None":      {nil, v1alpha1.ReasonApplied, false},
		"Conflict":  {&apply.ConflictError{Object: object}, v1alpha1.ReasonConflict, true},
		"Namespace": {&apply.NamespaceError{Name: "n"}, v1alpha1.ReasonNamespaceMissing, false},
		"Denied":    {&apply.DeniedError{Object: object}, v1alpha1.ReasonRBACDenied, true},
		"Refused":   {fmt.Errorf("wrapped: %w", &apply.RefusedError{Object: object}), v1alpha1.ReasonApplyRefused, true},
		"Joined":    {errors.Join(&apply.RefusedError{Object: object}, &apply.RefusedError{Object: object}), v1alpha1.ReasonApplyRefused, true},
		"Blocked":   {&apply.BlockedError{Object: object}, v1alpha1.ReasonBlocked, true},
		"Pending":   {&apply.BlockedError{Object: object, Passing: true}, v1alpha1.ReasonPending, true},
		"Other":     {errors.New("connection refused"), v1alpha1.ReasonApplyFailed, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := reasonOf(tc.err); got != tc.want {
				t.Errorf("reason %s, want %s", got, tc.want)
			}
			result, err := afterApply(tc.err)
			if retry := err != nil || result.RequeueAfter > 0; retry != tc.retry {
				t.Errorf("retry is %t (%v, %v)", retry, result, err)
			}
		})
	}
}

func TestUsersMessage(t *testing.T) {
	cases := map[string]struct {
		users users
		want  string
	}{
		"Several": {
			users: users{volumes: []string{"pv-1", "pv-2", "pv-3"}, attachments: []string{"csi-1"}},
			want:  "3 PersistentVolumes and 1 VolumeAttachment of driver d still exist, e.g. PersistentVolume/pv-1, PersistentVolume/pv-2; delete the claims that use them, and the PersistentVolumes that are Released",
		},
		"One": {
			users: users{attachments: []string{"csi-1"}},
			want:  "0 PersistentVolumes and 1 VolumeAttachment of driver d still exists, e.g. VolumeAttachment/csi-1; delete the claims that use them, and the PersistentVolumes that are Released",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.users.message("d")); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
	many := users{volumes: strings.Split(strings.Repeat("v ", 40), " ")}
	if n := len(many.status().Examples); n != maxExamples {
		t.Errorf("%d examples", n)
	}
}

// TestNews: of a condition that stands only while something holds, its coming is news.
func TestNews(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: "Some"}
	}
	cases := map[string]struct {
		old      *metav1.Condition
		now      metav1.Condition
		news     bool
		severity string
		onItsWay bool
	}{
		"FirstAndGood":    {now: condition(v1alpha1.ConditionApplied, metav1.ConditionTrue)},
		"FirstAndBad":     {now: condition(v1alpha1.ConditionApplied, metav1.ConditionFalse), news: true, severity: "Warning"},
		"NotReadyYet":     {now: condition(v1alpha1.ConditionReady, metav1.ConditionFalse)},
		"ChangeBlocked":   {now: condition(v1alpha1.ConditionChangeBlocked, metav1.ConditionTrue), news: true, severity: "Warning"},
		"DeletionBlocked": {now: condition(v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue), news: true, severity: "Warning"},
		"Pending": {
			now:  metav1.Condition{Type: v1alpha1.ConditionChangeBlocked, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPending},
			news: true, severity: "Normal",
		},
		"RollsOut": {
			old: new(condition(v1alpha1.ConditionReady, metav1.ConditionTrue)), now: condition(v1alpha1.ConditionReady, metav1.ConditionFalse),
			news: true, severity: "Normal", onItsWay: true,
		},
		"Breaks": {
			old: new(condition(v1alpha1.ConditionReady, metav1.ConditionTrue)), now: condition(v1alpha1.ConditionReady, metav1.ConditionFalse),
			news: true, severity: "Warning",
		},
		"Starts": {
			old:  new(condition(v1alpha1.ConditionSidecarsHealthy, metav1.ConditionTrue)),
			now:  metav1.Condition{Type: v1alpha1.ConditionSidecarsHealthy, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStarting},
			news: true, severity: "Normal",
		},
		"Reconciling":     {now: condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue)},
		"Stalled":         {now: condition(v1alpha1.ConditionStalled, metav1.ConditionTrue)},
		"StalledByOthers": {old: new(metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "Other"}), now: condition(v1alpha1.ConditionStalled, metav1.ConditionTrue)},
		"Same":            {old: new(condition(v1alpha1.ConditionReady, metav1.ConditionTrue)), now: condition(v1alpha1.ConditionReady, metav1.ConditionTrue)},
		"Better":          {old: new(condition(v1alpha1.ConditionReady, metav1.ConditionFalse)), now: condition(v1alpha1.ConditionReady, metav1.ConditionTrue), news: true, severity: "Normal"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := newsworthy(tc.old, tc.now); got != tc.news {
				t.Errorf("news: %t, want %t", got, tc.news)
			}
			if got := severity(tc.now, tc.onItsWay); tc.news && got != tc.severity {
				t.Errorf("severity %s, want %s", got, tc.severity)
			}
		})
	}
}

// TestMessagesHaveRoom for a list; but in a table and in an event there is less.
func TestMessagesHaveRoom(t *testing.T) {
	d := &v1alpha1.CSIDriverDeployment{}
	before := d.Status.DeepCopy()
	long := strings.Repeat("x", 3*maxMessage)
	for _, kind := range []string{v1alpha1.ConditionSpecValid, v1alpha1.ConditionReady} {
		mark(d, metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalid, Message: long})
	}
	for kind, want := range map[string]int{v1alpha1.ConditionSpecValid: 2048, v1alpha1.ConditionReady: 256} {
		if got := len(meta.FindStatusCondition(d.Status.Conditions, kind).Message); got != want {
			t.Errorf("%s has %d bytes, want %d", kind, got, want)
		}
	}
	recorder := events.NewFakeRecorder(1)
	(&Reconciler{recorder: recorder}).announce(before, d)
	if event := <-recorder.Events; len(event) > maxNote+len("Warning Invalid ") || !strings.HasSuffix(event, "…") {
		t.Errorf("the event has %d bytes", len(event))
	}
}
