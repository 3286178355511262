// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

const driver = "pool.example.com"

// object is an object in YAML, with the fields that managers hold, as JSON.
func object(t *testing.T, text string, managers map[string]string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	var entries []metav1.ManagedFieldsEntry
	for name, fields := range managers {
		operation := metav1.ManagedFieldsOperationUpdate
		if name == v1alpha1.FieldOwner {
			operation = metav1.ManagedFieldsOperationApply
		}
		entries = append(entries, metav1.ManagedFieldsEntry{
			Manager: name, Operation: operation, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		})
	}
	u.SetManagedFields(entries)
	return u
}

const class = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: fast
  uid: "1"
  labels: {csi-operator.io/deployment: pool.example.com}
provisioner: pool.example.com
allowVolumeExpansion: true
`

const classFields = `{"f:metadata":{"f:labels":{"f:csi-operator.io/deployment":{}}},"f:provisioner":{},"f:allowVolumeExpansion":{}}`

func live(t *testing.T, edits ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	t.Helper()
	u := object(t, class, map[string]string{v1alpha1.FieldOwner: classFields})
	for _, edit := range edits {
		edit(u)
	}
	return u
}

func intent(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	u := object(t, class, nil)
	u.SetUID("")
	unstructured.RemoveNestedField(u.Object, "metadata", "uid")
	unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
	return u
}

func label(value string) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		if value == "" {
			u.SetLabels(nil)
			return
		}
		u.SetLabels(map[string]string{v1alpha1.LabelDeployment: value})
	}
}

func emptyLabel(u *unstructured.Unstructured) {
	u.SetLabels(map[string]string{v1alpha1.LabelDeployment: ""})
}

func noExpansion(u *unstructured.Unstructured) { u.Object["allowVolumeExpansion"] = false }

func terminating(u *unstructured.Unstructured) {
	now := metav1.NewTime(time.Unix(1, 0))
	u.SetDeletionTimestamp(&now)
}

func otherUID(u *unstructured.Unstructured) { u.SetUID("2") }

func unmanaged(u *unstructured.Unstructured) { u.SetManagedFields(nil) }

// shared lets a manager hold by updates what the operator applied.
func shared(manager string) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		u.SetManagedFields(append(u.GetManagedFields(), metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(classFields),
		}))
	}
}

// recorded is the record of the last application, as it should be now.
func recorded(t *testing.T, edits ...func(*Record)) Record {
	t.Helper()
	r, err := NewRecord(intent(t), live(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

func otherIntent(r *Record) { r.Intent = "other" }

func TestMake(t *testing.T) {
	ref := Ref{Kind: "StorageClass", Name: "fast"}
	cases := map[string]struct {
		unwanted bool
		live     *unstructured.Unstructured
		record   Record
		action   Action
		fields   []string
		owner    string
	}{
		"Absent":            {action: Create},
		"Deleted":           {record: recorded(t), action: Create},
		"AsItShouldBe":      {live: live(t), record: recorded(t)},
		"NeverApplied":      {live: live(t, noExpansion), action: Apply, fields: []string{"allowVolumeExpansion"}},
		"SpecChanged":       {live: live(t, noExpansion), record: recorded(t, otherIntent), action: Apply, fields: []string{"allowVolumeExpansion"}},
		"Edited":            {live: live(t, noExpansion), record: recorded(t), action: Heal, fields: []string{"allowVolumeExpansion"}},
		"FieldsWiped":       {live: live(t, unmanaged), record: recorded(t), action: Heal},
		"SharedByNobody":    {live: live(t, shared(beforeFirstApply)), record: recorded(t), action: Heal, fields: []string{"metadata.managedFields"}},
		"SharedByOurselves": {live: live(t, shared(v1alpha1.FieldOwner)), record: recorded(t), action: Heal, fields: []string{"metadata.managedFields"}},
		"SharedByOthers":    {live: live(t, shared("helm")), record: recorded(t)},
		"MadeAnew":          {live: live(t, otherUID), record: recorded(t), action: Apply},
		"LabelLost":         {live: live(t, label("")), record: recorded(t), action: Heal, fields: []string{"metadata.labels"}},
		"Foreign":           {live: live(t, label("")), action: Conflict},
		"ForeignInPlace":    {live: live(t, label(""), otherUID), record: recorded(t), action: Conflict},
		"OfAnother":         {live: live(t, label("other.example.com")), record: recorded(t), action: Conflict, owner: "other.example.com"},
		"Terminating":       {live: live(t, terminating, noExpansion), record: recorded(t), action: Blocked},

		"UnwantedAbsent":      {unwanted: true, record: recorded(t)},
		"UnwantedInPlace":     {unwanted: true, live: live(t, unmanaged, otherUID), record: recorded(t)},
		"Unwanted":            {unwanted: true, live: live(t), action: Delete},
		"UnwantedStray":       {unwanted: true, live: live(t, label(""), unmanaged), record: recorded(t), action: Delete},
		"UnwantedEmptyLabel":  {unwanted: true, live: live(t, emptyLabel), record: recorded(t), action: Delete},
		"UnwantedForeign":     {unwanted: true, live: live(t, label(""))},
		"UnwantedRecorded":    {unwanted: true, live: live(t, unmanaged), record: recorded(t), action: Delete},
		"UnwantedCopy":        {unwanted: true, live: live(t, unmanaged)},
		"UnwantedOfAnother":   {unwanted: true, live: live(t, label("other.example.com"))},
		"UnwantedTerminating": {unwanted: true, live: live(t, terminating), action: Blocked},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := Input{Driver: driver, Records: map[Ref]Record{}, Live: map[Ref]*unstructured.Unstructured{}}
			if !tc.unwanted {
				in.Wanted = []desired.Object{{Step: desired.StepWorkloads, Intent: intent(t)}}
			}
			if tc.record != (Record{}) {
				in.Records[ref] = tc.record
			}
			if tc.live != nil {
				in.Live[ref] = tc.live
			}
			got, err := Make(in)
			if err != nil {
				t.Fatal(err)
			}
			var want Plan
			if tc.action != "" {
				want = Plan{{Ref: ref, Action: tc.action, Fields: tc.fields, Owner: tc.owner, Passing: tc.action == Blocked}}
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Change{}, "Reason", "Step", "Intent", "Live", "Last")); diff != "" {
				t.Fatalf("-want, +got:\n%s", diff)
			}
			for _, change := range got {
				applies := change.Action == Create || change.Action == Apply || change.Action == Heal || change.Action == Recreate
				if change.Reason == "" || applies != (change.Intent != nil) || change.Live != in.Live[ref] {
					t.Errorf("change is %+v", change)
				}
				if !tc.unwanted && change.Last != tc.record.UID {
					t.Errorf("last uid is %q, want %q", change.Last, tc.record.UID)
				}
				if applies && change.Step != desired.StepWorkloads {
					t.Errorf("step is %d", change.Step)
				}
			}
		})
	}
}

// TestMakeOrder: wanted objects in the order given, then deletions by name; a
// conflict is found among them.
func TestMakeOrder(t *testing.T) {
	named := func(u *unstructured.Unstructured, name string) *unstructured.Unstructured {
		u.SetName(name)
		return u
	}
	in := Input{
		Driver: driver,
		Wanted: []desired.Object{{Intent: named(intent(t), "z")}, {Intent: named(intent(t), "a")}},
		Live: map[Ref]*unstructured.Unstructured{
			{Kind: "StorageClass", Name: "a"}: named(live(t, label("")), "a"),
			{Kind: "StorageClass", Name: "y"}: named(live(t), "y"),
			{Kind: "StorageClass", Name: "b"}: named(live(t), "b"),
		},
	}
	p, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, change := range p {
		got = append(got, string(change.Action)+" "+change.Ref.Name)
	}
	if diff := cmp.Diff([]string{"Create z", "Conflict a", "Delete b", "Delete y"}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if conflicts := p.Conflicts(); len(conflicts) != 1 || conflicts[0].Ref.Name != "a" {
		t.Errorf("conflicts: %+v", conflicts)
	}
}

func TestRefText(t *testing.T) {
	for want, ref := range map[string]Ref{
		`StorageClass "a"`:               {Kind: "StorageClass", Name: "a"},
		`Role "b" in namespace "csi-ns"`: {Kind: "Role", Namespace: "csi-ns", Name: "b"},
	} {
		if got := ref.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestAggregated makes a role anew whose rules Kubernetes writes.
func TestAggregated(t *testing.T) {
	role := object(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r, labels: {csi-operator.io/deployment: pool.example.com}}, aggregationRule: {}}", nil)
	wanted := role.DeepCopy()
	unstructured.RemoveNestedField(wanted.Object, "aggregationRule")
	p, err := Make(Input{
		Driver: driver, Wanted: []desired.Object{{Intent: wanted}}, Live: map[Ref]*unstructured.Unstructured{RefOf(role): role},
	})
	if err != nil || len(p) != 1 || p[0].Action != Recreate || p[0].Live != role {
		t.Errorf("planned %+v, %v", p, err)
	}
}
