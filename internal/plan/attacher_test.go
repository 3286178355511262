// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestRights: pods run by what is neither a workload nor what volumes are made by.
func TestRights(t *testing.T) {
	others := []string{
		"CSIDriver", "ConfigMap", "DaemonSet", "Deployment", "StatefulSet", "PodDisruptionBudget",
		"StorageClass", "VolumeAttributesClass", "VolumeSnapshotClass", "VolumeGroupSnapshotClass",
	}
	for _, kind := range desired.Kinds() {
		if got, want := IsRight(Ref{Kind: kind.Kind}), !slices.Contains(others, kind.Kind); got != want {
			t.Errorf("%s is a right: %t, want %t", kind.Kind, got, want)
		}
	}
}

// running is a workload, or what belongs to one, of a component with the given containers.
func running(kind, component string, containers ...string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "apiVersion": "v1"}}
	u.SetName("x")
	u.SetLabels(map[string]string{v1alpha1.LabelDeployment: driver, v1alpha1.LabelComponent: component})
	var list []any
	for _, c := range containers {
		list = append(list, map[string]any{"name": c})
	}
	if list != nil {
		_ = unstructured.SetNestedSlice(u.Object, list, "spec", "template", "spec", "containers")
	}
	return u
}

// TestTheAttacherStaysForAttachments, with its rights; everything else goes on.
func TestTheAttacherStaysForAttachments(t *testing.T) {
	with, without := []string{"driver", "csi-attacher"}, []string{"driver", "csi-resizer"}
	cases := map[string]struct {
		before, after []string
		use           Use
		want          []string
	}{
		"Attached":        {with, without, Use{Attachments: "2 VolumeAttachments"}, []string{"Blocked Deployment", "Create StorageClass", "Pending ClusterRole"}},
		"NothingAttached": {with, without, Use{Volumes: "2 PersistentVolumes"}, []string{"Apply ClusterRole", "Apply Deployment", "Create StorageClass"}},
		"ItComes":         {without, with, Use{Attachments: "2 VolumeAttachments"}, []string{"Apply ClusterRole", "Apply Deployment", "Create StorageClass"}},
		"ItStays":         {with, with, Use{Attachments: "2 VolumeAttachments"}, []string{"Apply ClusterRole", "Apply Deployment", "Create StorageClass"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			live := map[Ref]*unstructured.Unstructured{}
			for _, u := range []*unstructured.Unstructured{running("Deployment", "controller", tc.before...), running("ClusterRole", "controller")} {
				live[RefOf(u)] = u
			}
			in := Input{
				Driver: driver, Live: live, Records: map[Ref]Record{}, Use: inUse(tc.use),
				Wanted: []desired.Object{
					{Intent: running("ClusterRole", "controller")}, {Intent: running("Deployment", "controller", tc.after...)}, {Intent: running("StorageClass", "")},
				},
			}
			p, err := Make(in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range p {
				got = append(got, verb(c)+" "+c.Ref.Kind)
				if (c.Action == Blocked) != (c.Intent == nil) {
					t.Errorf("%s of %s has the intent %v", c.Action, c.Ref, c.Intent)
				}
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// csiDriverOf is a CSIDriver object of a spec.
func csiDriverOf(spec map[string]any) *unstructured.Unstructured {
	u := running("CSIDriver", "")
	u.Object["spec"] = spec
	return u
}

// verb is the action of a change, or Pending where nobody has to act for it.
func verb(c Change) string {
	if c.Passing {
		return "Pending"
	}
	return string(c.Action)
}

// actions are what a plan does, by kind, and its reasons.
func actions(t *testing.T, in Input) (map[string]string, string) {
	t.Helper()
	p, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	done, reasons := map[string]string{}, ""
	for _, c := range p {
		done[c.Ref.Kind+"/"+c.Ref.Name] = verb(c)
		reasons += c.Reason + "\n"
	}
	return done, reasons
}

// input is a plan of what is there and what is wanted.
func input(live, wanted []*unstructured.Unstructured, use Use) Input {
	in := Input{Driver: driver, Live: map[Ref]*unstructured.Unstructured{}, Records: map[Ref]Record{}, Use: inUse(use)}
	for _, u := range live {
		u.SetUID(types.UID("uid of " + u.GetName()))
		in.Live[RefOf(u)] = u
		in.Records[RefOf(u)] = Record{UID: u.GetUID()}
	}
	for _, u := range wanted {
		in.Wanted = append(in.Wanted, desired.Object{Intent: u})
	}
	return in
}

// TestWhatACSIDriverCannotChange is told, and keeps the attacher.
func TestWhatACSIDriverCannotChange(t *testing.T) {
	modes := func(list ...any) map[string]any { return map[string]any{"volumeLifecycleModes": list} }
	cases := map[string]struct {
		was, is map[string]any
		want    string
		reason  string
	}{
		"AttachOff":       {map[string]any{"attachRequired": true}, map[string]any{"attachRequired": false}, "Blocked", "attachRequired cannot be changed from true to false"},
		"AttachOn":        {map[string]any{"attachRequired": false}, map[string]any{"attachRequired": true}, "Blocked", "attachRequired cannot be changed from false to true"},
		"OtherModes":      {modes("Persistent"), modes("Persistent", "Ephemeral"), "Blocked", "volumeLifecycleModes cannot be changed"},
		"OrderIsNoChange": {modes("Persistent", "Ephemeral"), modes("Ephemeral", "Persistent"), "Apply", ""},
		"Mutable":         {map[string]any{"attachRequired": true, "podInfoOnMount": true}, map[string]any{"attachRequired": true}, "Apply", ""},
		"LeftOut":         {map[string]any{"attachRequired": true}, map[string]any{}, "Apply", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input([]*unstructured.Unstructured{csiDriverOf(tc.was)}, []*unstructured.Unstructured{csiDriverOf(tc.is)}, Use{})
			done, reasons := actions(t, in)
			if done["CSIDriver/x"] != tc.want || !strings.Contains(reasons, tc.reason) {
				t.Errorf("got %v: %s", done, reasons)
			}
		})
	}
	in := input(
		[]*unstructured.Unstructured{csiDriverOf(map[string]any{"attachRequired": true}), running("Deployment", "controller", "csi-attacher")},
		[]*unstructured.Unstructured{csiDriverOf(map[string]any{"attachRequired": false}), running("Deployment", "controller", "driver")}, Use{})
	if done, reasons := actions(t, in); done["Deployment/x"] != "Blocked" || !strings.Contains(reasons, "new volumes could never be attached") {
		t.Errorf("the attacher goes: %v: %s", done, reasons)
	}
}

// called gives an object another name.
func called(u *unstructured.Unstructured, name string) *unstructured.Unstructured {
	u.SetName(name)
	return u
}

// on puts the pods of a workload on nodes with a label.
func on(u *unstructured.Unstructured, disk string) *unstructured.Unstructured {
	_ = unstructured.SetNestedField(u.Object, disk, "spec", "template", "spec", "nodeSelector", "disk")
	return u
}

// TestOnePluginANode: two drivers of one name on one node fight for its socket.
func TestOnePluginANode(t *testing.T) {
	const registrar = "node-driver-registrar"
	pool := func(name string, containers ...string) *unstructured.Unstructured {
		return called(running("DaemonSet", name, containers...), name)
	}
	type list = []*unstructured.Unstructured
	cases := map[string]struct {
		live, wanted list
		use          Use
		want         map[string]string
	}{
		"RenamedPoolInUse": {list{pool("old", registrar)}, list{pool("new", registrar)}, Use{Volumes: "2 PersistentVolumes"},
			map[string]string{"DaemonSet/old": "Blocked", "DaemonSet/new": "Pending"}},
		"RenamedPool": {list{pool("old", registrar)}, list{pool("new", registrar)}, Use{},
			map[string]string{"DaemonSet/old": "Delete", "DaemonSet/new": "Pending"}},
		"PoolOfOtherNodes": {list{on(pool("old", registrar), "fast")}, list{on(pool("new", registrar), "slow")}, Use{Volumes: "2 PersistentVolumes"},
			map[string]string{"DaemonSet/old": "Blocked", "DaemonSet/new": "Create"}},
		"PoolBesideOneThatStays": {list{pool("old", registrar)}, list{pool("old", registrar), pool("new", registrar)}, Use{},
			map[string]string{"DaemonSet/old": "Apply", "DaemonSet/new": "Create"}},
		"SplitToSinglePod": {list{pool("node", registrar), running("Deployment", "controller", "driver")}, list{running("Deployment", "controller", "driver", registrar)}, Use{},
			map[string]string{"DaemonSet/node": "Delete", "Deployment/x": "Pending"}},
		"SinglePodToSplit": {list{running("Deployment", "controller", "driver", registrar)}, list{running("Deployment", "controller", "driver"), pool("node", registrar)}, Use{},
			map[string]string{"DaemonSet/node": "Pending", "Deployment/x": "Apply"}},
		"RenamedWorkloadInUse": {list{called(running("DaemonSet", "node", registrar), "a")}, list{called(running("DaemonSet", "node", registrar), "b")}, Use{Volumes: "2 PersistentVolumes"},
			map[string]string{"DaemonSet/a": "Blocked", "DaemonSet/b": "Pending"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			done, reasons := actions(t, input(tc.live, tc.wanted, tc.use))
			if diff := cmp.Diff(tc.want, done); diff != "" {
				t.Errorf("-want, +got:\n%s%s", diff, reasons)
			}
		})
	}
}

// ruled is a ClusterRole, which reads Secrets or not.
func ruled(secrets bool) *unstructured.Unstructured {
	u := running("ClusterRole", "controller")
	rules := []any{map[string]any{"resources": []any{"nodes"}}}
	if secrets {
		rules = append(rules, map[string]any{"resources": []any{"secrets"}, "verbs": []any{"get"}})
	}
	u.Object["rules"] = rules
	return u
}

// TestSecretsAreReadAsLongAsThereAreVolumes, which name them.
func TestSecretsAreReadAsLongAsThereAreVolumes(t *testing.T) {
	cases := map[string]struct {
		was, is bool
		use     Use
		want    bool
	}{
		"Volumes":    {true, false, Use{Volumes: "2 PersistentVolumes"}, true},
		"NoVolumes":  {true, false, Use{}, false},
		"NeverRead":  {false, false, Use{Volumes: "2 PersistentVolumes"}, false},
		"StillAsked": {true, true, Use{Volumes: "2 PersistentVolumes"}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			wanted := ruled(tc.is)
			p, err := Make(input([]*unstructured.Unstructured{ruled(tc.was)}, []*unstructured.Unstructured{wanted}, tc.use))
			if err != nil || len(p) != 1 {
				t.Fatalf("%v, %v", p, err)
			}
			if got := secretsRule(p[0].Intent) != nil; got != tc.want {
				t.Errorf("reads Secrets: %t, want %t", got, tc.want)
			}
			if (secretsRule(wanted) != nil) != tc.is {
				t.Error("what is wanted was changed")
			}
		})
	}
}

// TestAccountsOutliveTheirPods: an account goes when no pod of an older template is left.
func TestAccountsOutliveTheirPods(t *testing.T) {
	rolling, done := running("Deployment", "controller", "driver"), running("Deployment", "controller", "driver")
	rolling.Object["status"] = map[string]any{"updatedReplicas": int64(1), "replicas": int64(2)}
	done.Object["status"] = map[string]any{"updatedReplicas": int64(2), "replicas": int64(2)}
	for name, tc := range map[string]struct {
		workload *unstructured.Unstructured
		want     string
	}{"Rolling": {rolling, "Pending"}, "RolledOut": {done, "Delete"}} {
		t.Run(name, func(t *testing.T) {
			in := input([]*unstructured.Unstructured{called(running("ServiceAccount", "controller"), "old"), tc.workload}, []*unstructured.Unstructured{tc.workload}, Use{})
			intent, err := IntentHash(tc.workload)
			if err != nil {
				t.Fatal(err)
			}
			fingerprint, err := Fingerprint(tc.workload)
			if err != nil {
				t.Fatal(err)
			}
			in.Records[RefOf(tc.workload)] = Record{Intent: intent, Live: fingerprint, UID: tc.workload.GetUID()}
			if got, reasons := actions(t, in); got["ServiceAccount/old"] != tc.want || got["Deployment/x"] != "" {
				t.Errorf("got %v: %s", got, reasons)
			}
		})
	}
}

// role is a Role with rules about the given resources.
func role(resources ...string) *unstructured.Unstructured {
	u := running("Role", "controller")
	var rules []any
	for _, r := range resources {
		rules = append(rules, map[string]any{"resources": []any{r}})
	}
	u.Object["rules"] = rules
	return u
}

// rulesIn are the resources of a role's rules.
func rulesIn(u *unstructured.Unstructured) (resources []string) {
	rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
	for _, r := range rules {
		resources = append(resources, r.(map[string]any)["resources"].([]any)[0].(string))
	}
	return resources
}

// TestRulesOutliveTheirPods: what is new is added at once, what is old goes after the
// rollout, and what others wrote is never kept.
func TestRulesOutliveTheirPods(t *testing.T) {
	workload := func(generation, observed int64, containers ...string) *unstructured.Unstructured {
		u := running("Deployment", "controller", containers...)
		u.SetGeneration(generation)
		u.Object["status"] = map[string]any{"observedGeneration": observed}
		return u
	}
	cases := map[string]struct {
		live, wanted *unstructured.Unstructured
		foreign      bool
		want         []string
	}{
		"TemplateChanges": {workload(1, 1, "old"), workload(1, 1, "new"), false, []string{"new", "old"}},
		"RollingOut":      {workload(2, 1, "new"), workload(2, 1, "new"), false, []string{"new", "old"}},
		"RolledOut":       {workload(2, 2, "new"), workload(2, 2, "new"), false, []string{"new"}},
		"OfOthers":        {workload(2, 1, "new"), workload(2, 1, "new"), true, []string{"new"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			was := role("old")
			in := input([]*unstructured.Unstructured{was, tc.live}, []*unstructured.Unstructured{role("new"), tc.wanted}, Use{})
			for _, u := range []*unstructured.Unstructured{was, tc.live} {
				intent, err := IntentHash(u)
				if err != nil {
					t.Fatal(err)
				}
				fingerprint, err := Fingerprint(u)
				if err != nil {
					t.Fatal(err)
				}
				in.Records[RefOf(u)] = Record{Intent: intent, Live: fingerprint, UID: u.GetUID()}
			}
			if tc.foreign {
				in.Records[RefOf(was)] = Record{Live: "another", UID: was.GetUID()}
			}
			if tc.wanted != tc.live {
				in.Wanted[1].Intent.SetGeneration(0)
			}
			if hash, err := IntentHash(in.Wanted[1].Intent); err == nil && name != "TemplateChanges" {
				record := in.Records[RefOf(tc.live)]
				record.Intent = hash
				in.Records[RefOf(tc.live)] = record
			}
			p, err := Make(in)
			if err != nil || len(p) == 0 || p[0].Ref.Kind != "Role" {
				t.Fatalf("%v, %v", p, err)
			}
			if diff := cmp.Diff(tc.want, rulesIn(p[0].Intent)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
