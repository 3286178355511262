// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestChangesInWords is what status and events show of changes.
func TestChangesInWords(t *testing.T) {
	aggregated := func(u *unstructured.Unstructured) { u.Object["aggregationRule"] = map[string]any{} }
	kind := func(name string) func(*unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) { u.SetKind(name) }
	}
	wanted := func(edits ...func(*unstructured.Unstructured)) []desired.Object {
		u := intent(t)
		for _, edit := range edits {
			edit(u)
		}
		return []desired.Object{{Step: desired.StepAccounts, Intent: u}}
	}
	noUID := func(u *unstructured.Unstructured) { u.SetUID("") }
	cases := map[string]struct {
		wanted []desired.Object
		live   *unstructured.Unstructured
		record Record
		use    Use
		want   string
	}{
		"Absent":        {wanted: wanted(), want: "0 Create: it does not exist yet []"},
		"Deleted":       {wanted: wanted(), record: recorded(t), want: "0 Create: it was deleted, or has lost its label []"},
		"LabelLost":     {wanted: wanted(), live: live(t, label("")), record: recorded(t), want: "0 Heal: it has lost its label [metadata.labels]"},
		"Edited":        {wanted: wanted(), live: live(t, noExpansion), record: recorded(t), want: "0 Heal: others have changed it [allowVolumeExpansion]"},
		"WantedAnew":    {wanted: wanted(), live: live(t, noExpansion), record: recorded(t, otherIntent), want: "0 Apply: the wanted state has changed [allowVolumeExpansion]"},
		"Foreign":       {wanted: wanted(), live: live(t, label("")), want: "0 Conflict: an object of that name exists and is not ours []"},
		"WithoutUID":    {wanted: wanted(), live: live(t, label(""), noUID), want: "0 Conflict: an object of that name exists and is not ours []"},
		"Aggregated":    {wanted: wanted(kind("ClusterRole")), live: live(t, kind("ClusterRole"), aggregated), want: "0 Recreate: others gave it what only a new object is without [aggregationRule]"},
		"NotARole":      {wanted: wanted(), live: live(t, aggregated, noExpansion), record: recorded(t), want: "0 Heal: others have changed it [allowVolumeExpansion]"},
		"NotWanted":     {live: live(t), want: "2 Delete: it is not wanted any more []"},
		"StillAttached": {live: live(t, kind("Deployment")), use: Use{Attachments: "2 VolumeAttachments"}, want: "2 Blocked: it is not wanted any more, and stays for 2 VolumeAttachments []"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := Input{Driver: driver, Wanted: tc.wanted, Use: inUse(tc.use), Records: map[Ref]Record{{Kind: "StorageClass", Name: "fast"}: tc.record}}
			if tc.live != nil {
				in.Live = map[Ref]*unstructured.Unstructured{RefOf(tc.live): tc.live}
			}
			p, err := Make(in)
			if err != nil || len(p) != 1 {
				t.Fatalf("planned %+v, %v", p, err)
			}
			if got := fmt.Sprintf("%d %s: %s %v", p[0].Step, p[0].Action, p[0].Reason, p[0].Fields); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if applies := p[0].Action == Create || p[0].Action == Apply || p[0].Action == Heal || p[0].Action == Recreate; applies != (p[0].Intent != nil) {
				t.Errorf("%s has the intent %v", p[0].Action, p[0].Intent)
			}
		})
	}
}

// TestErrorOfUse counts, whatever came with it.
func TestErrorOfUse(t *testing.T) {
	unknown := errors.New("no answer")
	workload := live(t, func(u *unstructured.Unstructured) { u.SetKind("Deployment") })
	for _, use := range []Use{{}, {Attachments: "at least 1 VolumeAttachment"}} {
		p, err := Make(Input{
			Driver: driver, Use: func() (Use, error) { return use, unknown },
			Live: map[Ref]*unstructured.Unstructured{RefOf(workload): workload},
		})
		if !errors.Is(err, unknown) {
			t.Errorf("%+v: planned %+v, %v", use, p, err)
		}
	}
}

// TestCSIDriverAfterWorkloads: while kubelets call the driver, they have to know how.
func TestCSIDriverAfterWorkloads(t *testing.T) {
	in := Input{Driver: driver, Live: map[Ref]*unstructured.Unstructured{}, Use: inUse(Use{})}
	for _, kind := range []string{"CSIDriver", "DaemonSet"} {
		u := live(t)
		u.SetKind(kind)
		in.Live[RefOf(u)] = u
	}
	p, err := Make(in)
	deleted := slices.DeleteFunc(p, func(c Change) bool { return c.Action != Delete })
	if err != nil || len(deleted) != 1 || deleted[0].Ref.Kind != "DaemonSet" {
		t.Errorf("planned %+v, %v", p, err)
	}
}

// TestSoleOwner leaves all out that own by accident, and nobody else.
func TestSoleOwner(t *testing.T) {
	apply, update := metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	ours := metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: apply}
	cases := map[string]struct {
		entry    metav1.ManagedFieldsEntry
		nameOnly bool
	}{
		"Patched":        {metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: update}, true},
		"RecordWiped":    {metav1.ManagedFieldsEntry{Manager: "before-first-apply", Operation: update}, true},
		"OfASubresource": {metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: update, Subresource: "status"}, false},
		"OfOthers":       {metav1.ManagedFieldsEntry{Manager: "kubectl-edit", Operation: update}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := live(t)
			u.SetManagedFields([]metav1.ManagedFieldsEntry{tc.entry, ours})
			want := []metav1.ManagedFieldsEntry{tc.entry, ours}
			if tc.nameOnly {
				want = want[1:]
			}
			kept, shared := SoleOwner(u)
			if diff := cmp.Diff(want, kept, cmpopts.EquateEmpty()); diff != "" || shared != tc.nameOnly {
				t.Errorf("shared: %t; -want, +got:\n%s", shared, diff)
			}
		})
	}
}

func TestItemsInOrder(t *testing.T) {
	var want []string
	places := positions{}
	for i := range 26 {
		item := string(rune('z' - i))
		want = append(want, item)
		places[item] = i
	}
	if diff := cmp.Diff(want, places.inOrder()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestRefs(t *testing.T) {
	u := live(t)
	u.SetNamespace("ns")
	if want := (Ref{Kind: "StorageClass", Namespace: "ns", Name: "fast"}); RefOf(u) != want {
		t.Errorf("got %+v, want %+v", RefOf(u), want)
	}
	want := []Ref{{"A", "b", "c"}, {"B", "a", "c"}, {"B", "b", "a"}, {"B", "b", "b"}}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Ref.Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
