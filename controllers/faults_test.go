// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// allFaults is the variable that asks for every kind of failure at every call, and not
// for one kind at each, in turn.
const allFaults = "FAULTS"

// errLostAnswer is a connection that breaks after the API server did what was asked.
var errLostAnswer = errors.New("connection reset by peer")

// fault is one way in which a call fails.
type fault struct {
	name string
	code int32 // of the answer; 0: the answer is lost, the work is done
	// reason and message of the answer.
	reason  metav1.StatusReason
	message string
}

func faults() []fault {
	return []fault{
		{name: "Internal", code: 500, reason: metav1.StatusReasonInternalError, message: "etcd is away"},
		{name: "Conflict", code: 409, reason: metav1.StatusReasonConflict, message: "the object has been modified"},
		{name: "AnswerLost"},
		{name: "Forbidden", code: 403, reason: metav1.StatusReasonForbidden, message: `User "operator" cannot do that`},
		{name: "Invalid", code: 422, reason: metav1.StatusReasonInvalid, message: "not now"},
	}
}

// saboteur lets the call number at of a driver fail, once.
type saboteur struct {
	mu    sync.Mutex
	at    int
	fault fault
	calls int
}

// strike counts a call and tells whether it is the one.
func (s *saboteur) strike() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.calls == s.at
}

// seen is how many calls there were.
func (s *saboteur) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// answer is what the client gets instead of the answer of the API server.
func (s *saboteur) answer(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if s.fault.code == 0 {
		response, err := next.RoundTrip(r)
		if err == nil {
			err = response.Body.Close()
		}
		return nil, errors.Join(errLostAnswer, err)
	}
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: s.fault.code, Reason: s.fault.reason, Message: s.fault.message,
	})
	return &http.Response{
		StatusCode: int(s.fault.code), Status: http.StatusText(int(s.fault.code)), Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)),
	}, err
}

// stride is from one failing call to the next one in a scenario of which not every call
// fails; in the minimal one every call does.
const stride = 7

// usual are the scenarios that differ most in what is called.
var usual = []string{"minimal", "everything", "windows", "single-pod"}

// onNodePorts are scenarios whose pods take ports of the nodes, which only one driver
// can have.
var onNodePorts = []string{"distributed", "overridden"}

// TestOneFailureAtEveryCall lets calls of an installation and of a removal fail once, for
// the usual ones of the golden scenarios: the same comes of it. With $FAULTS=all these are
// all scenarios and all calls, each failing in every way; without, all of the minimal
// scenario and each seventh of the others, the ways in turn.
func TestOneFailureAtEveryCall(t *testing.T) {
	files, err := filepath.Glob("../internal/desired/testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		scenario := strings.TrimSuffix(filepath.Base(file), ".in.yaml")
		if os.Getenv(allFaults) == "" && !slices.Contains(usual, scenario) || slices.Contains(onNodePorts, scenario) {
			continue
		}
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			failEverywhere(t, scenario, file)
		})
	}
}

// failEverywhere counts the calls of an undisturbed life, and then has as many lives
// with one call failing in each.
func failEverywhere(t *testing.T, scenario, file string) {
	reference := scenarioDriver(t, file, scenario+"-reference")
	whole := &saboteur{}
	cluster.operator.traffic.sabotage(reference.Name, whole)
	createNamespace(t, reference.Spec.Namespace)
	create(t, reference)
	awaitCondition(t, reference, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	awaitCalm(t, cluster.operator, reference)
	want, installing := outcome(t, reference), whole.seen()
	remove(t, reference)
	awaitGone(t, reference)
	all, every := whole.seen(), 1
	if os.Getenv(allFaults) == "" && scenario != "minimal" {
		every = stride
	}

	var struck atomic.Int32
	injected := 0
	t.Cleanup(func() { // when all have had their lives
		t.Logf("%d failures injected into %d calls of an installation and %d of a removal, %d of them struck",
			injected, installing, all-installing, struck.Load())
	})
	for at := 1; at <= all; at += every {
		kinds := faults()
		if os.Getenv(allFaults) == "" {
			kinds = kinds[at%len(kinds) : at%len(kinds)+1]
		}
		for _, f := range kinds {
			injected++
			name := fmt.Sprintf("%02d-%s", at, f.name)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d := scenarioDriver(t, file, strings.ToLower(scenario+"-"+name))
				if failOnce(t, d, &saboteur{at: at, fault: f}, at <= installing, want) {
					struck.Add(1)
				}
			})
		}
	}
}

// deploymentIn is the object of a file.
func deploymentIn(t *testing.T, file string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := &v1alpha1.CSIDriverDeployment{}
	if err := yaml.UnmarshalStrict(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// scenarioDriver is the object of a golden file under another name and in a namespace of
// its own. The name is as long as it was, if that is longer.
func scenarioDriver(t *testing.T, file, name string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	d := deploymentIn(t, file)
	length := max(len(d.Name), len(name))
	d.Spec.Namespace, d.Name = "ns-"+name, strings.TrimRight((name + "." + d.Name)[:length], ".-")
	for i := range d.Spec.StorageClasses {
		d.Spec.StorageClasses[i].Name = d.Name + "-" + d.Spec.StorageClasses[i].Name
	}
	return d
}

// failOnce lets one call of a driver's life fail and tells whether there was that call: a
// removal may need fewer than another one.
func failOnce(t *testing.T, d *v1alpha1.CSIDriverDeployment, s *saboteur, installing bool, want string) bool {
	t.Helper()
	cluster.operator.traffic.sabotage(d.Name, s)
	createNamespace(t, d.Spec.Namespace)
	create(t, d)
	awaitOutcome(t, d, want)
	remove(t, d)
	await(t, "it is gone", func() error {
		nudge(t, d)
		return stillThere(t, d)
	})
	if left := owned(t, d.Name); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if seen := s.seen(); installing && seen < s.at {
		t.Errorf("only %d calls, none failed", seen)
	}
	return s.seen() >= s.at
}

// awaitOutcome waits for what must come of it. Where the API server said no, and the
// operator waits for somebody to act, it is nudged.
func awaitOutcome(t *testing.T, d *v1alpha1.CSIDriverDeployment, want string) {
	t.Helper()
	await(t, "the same comes of it", func() error {
		nudge(t, d)
		c := meta.FindStatusCondition(refresh(t, d).Status.Conditions, v1alpha1.ConditionApplied)
		if c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("applied is %+v", c)
		}
		if got := outcome(t, d); got != want {
			return fmt.Errorf("-want, +got:\n%s", cmp.Diff(want, got))
		}
		return nil
	})
}

// nudge reconciles a driver that was refused something, which is tried again after a
// minute only.
func nudge(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	now := &v1alpha1.CSIDriverDeployment{}
	if err := cluster.operator.client.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
		return // not yet, or no longer there
	}
	for _, c := range now.Status.Conditions {
		waiting := c.Reason == v1alpha1.ReasonRBACDenied || c.Reason == v1alpha1.ReasonApplyRefused || c.Reason == v1alpha1.ReasonConflict
		if c.Type == v1alpha1.ConditionApplied && waiting {
			expire(cluster.operator.reconciler.ledger, now)
			_, _ = cluster.operator.reconciler.Reconcile(asWorker(t, now), now) // as often as it takes
		}
	}
}

// expire lets the minute pass for which a refusal stands.
func expire(l *ledger, d *v1alpha1.CSIDriverDeployment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, e := range l.of(d) {
		e.refusal.when = time.Time{}
		l.of(d)[ref] = e
	}
}

// outcome is all that a driver's objects and its conditions say, with the names that
// differ from driver to driver taken out.
func outcome(t *testing.T, d *v1alpha1.CSIDriverDeployment) string {
	t.Helper()
	now := refresh(t, d)
	names := desired.NamesOf(d.Name)
	neutral := strings.NewReplacer(names.Controller, "CONTROLLER", names.Node, "NODE", strings.TrimSuffix(names.Node, "-node"), "STEM",
		d.Spec.Namespace, "NAMESPACE", d.Name, "DRIVER", strings.ReplaceAll(d.Name, ".", "-"), "DRIVER", string(now.UID), "UID")
	var lines []string
	for _, o := range owned(t, d.Name) {
		lines = append(lines, neutral.Replace(content(&o)))
	}
	for _, o := range now.Status.Objects {
		lines = append(lines, neutral.Replace(fmt.Sprintf("%s %s %s %v", o.Kind, o.Name, o.State, o.ForeignFields)))
	}
	for _, c := range now.Status.Conditions {
		lines = append(lines, neutral.Replace(fmt.Sprintf("%s %s %s %s", c.Type, c.Status, c.Reason, c.Message)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestOneFailureHealing lets each call fail, in every way, by which an edit is healed that
// takes several.
func TestOneFailureHealing(t *testing.T) {
	for _, name := range []string{"Image", "EnvSwitched", "ManagedFieldsWiped", "AggregationRule"} {
		tc := drifts()[name]
		for at := 1; at <= tc.writes; at++ {
			for _, f := range faults() {
				t.Run(fmt.Sprintf("%s-%d-%s", name, at, f.name), func(t *testing.T) {
					t.Parallel()
					healOnce(t, tc, &saboteur{at: at, fault: f})
				})
			}
		}
	}
}

func healOnce(t *testing.T, tc drift, s *saboteur) {
	t.Helper()
	d := installed(t)
	awaitCalm(t, cluster.operator, d)
	want := outcome(t, d)
	cluster.operator.traffic.sabotage(d.Name, s)
	edit(t, d, tc)
	await(t, "the call fails, and the object is the operator's again", func() error {
		nudge(t, d)
		if seen := s.seen(); seen < s.at {
			return fmt.Errorf("%d calls so far", seen)
		}
		for _, o := range owned(t, d.Name) {
			if !plan.IsApplied(&o) {
				return fmt.Errorf("nothing of %s %s is applied", o.GetKind(), o.GetName())
			}
		}
		return nil
	})
	awaitOutcome(t, d, want)
	awaitCalm(t, cluster.operator, d)
	if entries, shared := plan.SoleOwner(objectOf(t, d, tc.kind)); shared {
		t.Errorf("the operator shares what it applied: %v", entries)
	}
}
