// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
)

var update = flag.Bool("update", false, "rewrite the golden files of situations, and what docs/troubleshooting.md shows of them")

// situations are recorded by the end-to-end tests (`make situations`), but for those whose
// objects say that they are made up.
const situations = "testdata/situations"

// replay is a recorded situation, as the operator sees it.
type replay struct {
	driver   v1alpha1.CSIDriverDeployment
	observed health.Observed
	parts    parts
	events   []corev1.Event
}

// verdicts are what of a status is judged by health.
type verdicts struct {
	Conditions     map[string]string        `json:"conditions"`
	Controller     v1alpha1.WorkloadStatus  `json:"controller"`
	Nodes          v1alpha1.NodesStatus     `json:"nodes"`
	SidecarSummary string                   `json:"sidecarSummary"`
	Sidecars       []v1alpha1.SidecarStatus `json:"sidecars"`
}

// TestSituations judges what was recorded on a real cluster through all that a reconcile
// does with it: what the cache drops, what events tell, what has lasted too long.
func TestSituations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(situations, "*.in.yaml"))
	if err != nil || len(files) < 30 {
		t.Fatalf("there are %d situations, want 30 and more: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(judged(replayOf(t, file)))
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(situations, name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// judged is what a reconcile makes of a situation.
func judged(r *replay) verdicts {
	d := &r.driver
	r.observed.Hints = map[types.UID]health.Hint{}
	for _, uid := range health.Puzzles(r.parts.components, r.observed) {
		about := slices.DeleteFunc(slices.Clone(r.events), func(e corev1.Event) bool { return e.InvolvedObject.UID != uid })
		if hint, found := hintIn(about); found {
			r.observed.Hints[uid] = hint
		}
	}
	r.observed.Ungranted = r.parts.ungranted
	keep(d, health.Assess(d.Name, r.parts.components, r.parts.rows, r.observed))
	summarize(d)
	v := verdicts{Conditions: map[string]string{}, Controller: d.Status.Controller, Nodes: d.Status.Nodes, SidecarSummary: d.Status.SidecarSummary, Sidecars: d.Status.Sidecars}
	for _, c := range d.Status.Conditions {
		v.Conditions[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
	}
	return v
}

// replayOf reads a recorded situation.
func replayOf(t *testing.T, file string) *replay {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &replay{observed: health.Observed{
		Nodes: map[string]*appsv1.DaemonSet{}, NodeUIDs: map[string]types.UID{}, Leases: map[string]health.Lease{}, Overdue: map[string]bool{},
	}}
	documents := bytes.Split(text, []byte("---\n"))
	var about struct {
		Time    time.Time `json:"time"`
		Overdue bool      `json:"overdue"`
	}
	if err := yaml.UnmarshalStrict(documents[0], &about); err != nil {
		t.Fatal(err)
	}
	for _, document := range documents[1:] {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &u.Object); err != nil {
			t.Fatal(err)
		}
		r.add(t, u, about.Time)
	}
	r.render(t)
	for _, lease := range leaseNames(r.parts.rows) {
		if _, there := r.observed.Leases[lease]; !there {
			r.observed.Leases[lease] = health.Lease{}
		}
	}
	if about.Overdue {
		for _, wait := range health.Waits(r.driver.Name, r.parts.components, r.parts.rows, r.observed) {
			r.observed.Overdue[wait.Key] = true
		}
	}
	return r
}

// add takes up one object, as the cache would.
func (r *replay) add(t *testing.T, u *unstructured.Unstructured, recorded time.Time) {
	t.Helper()
	o := &r.observed
	switch u.GetKind() {
	case "CSIDriverDeployment":
		r.driver = as[v1alpha1.CSIDriverDeployment](t, u)
	case "Deployment", "StatefulSet", "DaemonSet":
		if err := addTo(o, stripOwned(u)); err != nil {
			t.Fatal(err)
		}
	case "Pod":
		o.Pods = append(o.Pods, *stripPod(new(as[corev1.Pod](t, u))))
	case "CSINode":
		o.CSINodes = append(o.CSINodes, *stripCSINode(new(as[storagev1.CSINode](t, u))))
	case "Node":
		o.NodeUIDs[u.GetName()] = stripNode(new(as[corev1.Node](t, u))).UID
	case "Lease":
		lease := as[coordinationv1.Lease](t, u)
		lasts := time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
		o.Leases[lease.Name] = health.Lease{Holder: *lease.Spec.HolderIdentity, Expired: recorded.Sub(lease.Spec.RenewTime.Time) >= lasts}
	case "Event":
		r.events = append(r.events, as[corev1.Event](t, u))
	default:
		t.Fatalf("what is a %s?", u.GetKind())
	}
}

func as[T any](t *testing.T, u *unstructured.Unstructured) T {
	t.Helper()
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &typed); err != nil {
		t.Fatal(err)
	}
	return typed
}

// render knows the parts of the driver, and what rights they lacked.
func (r *replay) render(t *testing.T) {
	t.Helper()
	if r.driver.Spec.Source == v1alpha1.SourceCustom && r.driver.Spec.Capabilities == nil { // its answer is not recorded
		r.parts = parts{components: componentsOf(&r.driver), rows: rowsOf(&r.driver)}
		return
	}
	there := facts
	there.PoolDriverImage = r.driver.Status.Driver.Image
	set, err := desired.Render(&r.driver, there)
	if err != nil {
		t.Fatal(err)
	}
	r.parts = parts{components: set.Components, rows: set.Rows, ungranted: map[string]string{}}
	for _, s := range r.driver.Status.Sidecars {
		if _, lack, found := strings.Cut(s.Message, "its account lacks rights: "); found {
			r.parts.ungranted[s.Component] = lack
		}
	}
	r.driver.Status = v1alpha1.CSIDriverDeploymentStatus{Conditions: slices.DeleteFunc(r.driver.Status.Conditions, func(c metav1.Condition) bool {
		return !slices.Contains([]string{
			v1alpha1.ConditionSpecValid, v1alpha1.ConditionApplied, v1alpha1.ConditionCapabilitiesMatch, v1alpha1.ConditionClassesInSync,
		}, c.Type)
	})}
}
