// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// TestContest: somebody who undoes each healing meets fewer of them, and is told of;
// once they stop, the object is put right. It runs alone: healings that are far apart are no
// contest.
func TestContest(t *testing.T) {
	d := installed(t)
	healed := func() error {
		if got := *deployment(t, d).Spec.Replicas; got != 2 {
			return fmt.Errorf("replicas are %d", got)
		}
		return nil
	}
	await(t, "the contest is told", func() error {
		if healed() == nil {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":7}}`))
			if err := cluster.Patch(t.Context(), deployment(t, d), patch, client.FieldOwner("rival")); err != nil {
				t.Fatal(err)
			}
		}
		c := meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionApplied)
		if c.Reason != v1alpha1.ReasonContested || !strings.Contains(c.Message, `"rival" changes it again and again`) {
			return fmt.Errorf("applied is %+v", c)
		}
		return nil
	})
	await(t, "healed once more", healed)
	if c := meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionApplied); c.Reason != v1alpha1.ReasonContested {
		t.Errorf("one healing ended the contest: %+v", c)
	}
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

// TestHealingsAreCounted by object: the first ones come at once, then one in each pause.
func TestHealingsAreCounted(t *testing.T) {
	l, d := newLedger(), &v1alpha1.CSIDriverDeployment{}
	now := time.Unix(0, 0)
	l.now = func() time.Time { return now }
	about := func(action plan.Action) plan.Plan {
		return plan.Plan{{Ref: plan.Ref{Kind: "Role", Name: "r"}, Action: action, Intent: role("", ""), Live: role("1", "5"), Last: "1"}}
	}
	// allowed is how many of a hundred changes are made.
	allowed := func(action plan.Action) int {
		made := 0
		for range 100 {
			p := about(action)
			if _, err := l.hold(d, p); err != nil {
				t.Fatal(err)
			}
			if p[0].Refused != nil {
				continue
			}
			made++
			report := apply.Report{Applied: []apply.Applied{{Ref: p[0].Ref, Object: role("1", "5")}}}
			if err := l.note(d, p, report); err != nil {
				t.Fatal(err)
			}
		}
		return made
	}
	got := []int{allowed(plan.Apply), allowed(plan.Heal), allowed(plan.Recreate), allowed(plan.Create), allowed(plan.Apply)}
	again, err := l.hold(d, about(plan.Heal))
	if err != nil || again != contestPause {
		t.Errorf("to look again in %s, %v", again, err)
	}
	now = now.Add(contestPause)
	if err := l.contests(d); err == nil || !strings.Contains(err.Error(), `"somebody" changes it`) {
		t.Errorf("contests: %v", err)
	}
	got = append(got, allowed(plan.Heal))
	if diff := cmp.Diff([]int{100, contestBurst, 0, 0, 100, 1}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	now = now.Add(contestEnd * contestPause)
	if err := l.contests(d); err != nil {
		t.Errorf("the contest is not over: %v", err)
	}
}
