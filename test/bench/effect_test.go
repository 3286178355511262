// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
	"github.com/csi-operator/csi-operator/test/bench/stats"
)

func TestAllowed(t *testing.T) {
	for over, want := range map[time.Duration]int{0: 2, 999 * time.Millisecond: 2, time.Second: 3, 73500 * time.Millisecond: 75} {
		if got := allowed(over); got != want {
			t.Errorf("%d writes in a burst of %s, want %d", got, over, want)
		}
	}
}

// statuses are so many writes of a status.
func statuses(n int) (records audit.Records) {
	for range n {
		records = append(records, sent(cluster.Operator, "update", drivers+"/status", "d", 200, 0))
	}
	return records
}

func TestReportBurst(t *testing.T) {
	event := sent(cluster.Operator, "create", "events", "d.1", 201, 0)
	refused := sent(cluster.Operator, "update", drivers+"/status", "d", 409, 0)
	for name, tc := range map[string]struct {
		e   effect
		met bool
	}{
		"Nothing":        {effect{}, true},
		"AsManyAsMayBe":  {effect{over: 1500 * time.Millisecond, sent: append(statuses(3), event, event)}, true},
		"OneTooMany":     {effect{over: 1500 * time.Millisecond, sent: statuses(4)}, false},
		"RefusedCounts":  {effect{sent: append(statuses(2), refused)}, false},
		"OthersAreFewer": {effect{sent: audit.Records{event, event, event}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReport(options{})
			r.burst("pods fail", tc.e)
			if r.met() != tc.met {
				t.Errorf("met is %v: %+v", r.met(), r.Findings)
			}
		})
	}
}

func TestReportBegun(t *testing.T) {
	lease := sent(cluster.Operator, "update", "leases", "csi-operator", 200, 0)
	for name, tc := range map[string]struct {
		sent audit.Records
		now  float64
		met  bool
	}{
		"InPlace":  {audit.Records{lease, sent(cluster.Operator, "list", "pods", "", 200, 0)}, 65, true},
		"TooLarge": {nil, 65.1, false},
		"Writes":   {statuses(1), 40, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReport(options{})
			r.begun(tc.sent, time.Second, stats.Summary{Median: 40}, stats.Summary{Median: tc.now})
			if r.met() != tc.met {
				t.Errorf("met is %v: %+v", r.met(), r.Findings)
			}
		})
	}
}

func TestReportHeartbeats(t *testing.T) {
	for name, tc := range map[string]struct {
		e   effect
		met bool
	}{
		"Unnoticed": {effect{cpu: time.Second}, true},
		"Wakes":     {effect{reconciles: 1}, false},
		"Reads":     {effect{sent: audit.Records{sent(cluster.Operator, "get", "nodes", "n", 200, 0)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReport(options{})
			r.heartbeats(2000, tc.e)
			if r.met() != tc.met {
				t.Errorf("met is %v: %+v", r.met(), r.Findings)
			}
		})
	}
}

func TestTally(t *testing.T) {
	records := append(statuses(2),
		sent(cluster.Operator, "watch", "pods", "", 200, 0), sent(cluster.Operator, "create", "events", "d.1", 201, 0),
		sent(cluster.Operator, "list", "events", "", 200, 0), sent(cluster.Operator, "list", "pods", "", 200, 0),
		sent(cluster.Operator, "list", "nodes", "", 200, 0))
	if got, want := tally(records), "3 list, 2 update, 1 create of events, 1 watch"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNodesAreAsLarge as real ones: what is decoded and dropped costs as well.
func TestNodesAreAsLarge(t *testing.T) {
	text, err := json.Marshal(fullNode(7))
	if err != nil || len(text) < 8000 {
		t.Errorf("a node of %d bytes, error %v", len(text), err)
	}
}

func TestDaemonPods(t *testing.T) {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "d-node", UID: "1"}}
	set.Spec.Template.Labels = map[string]string{v1alpha1.LabelDeployment: "d", v1alpha1.LabelComponent: "nodes"}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: v1alpha1.DriverContainer}, {Name: "liveness-probe"}}
	pod := daemonPod(set, 7)
	for _, name := range slices.Collect(maps.Keys(set.Spec.Template.Labels)) {
		if pod.Labels[name] != set.Spec.Template.Labels[name] {
			t.Errorf("label %s of the template is %q", name, pod.Labels[name])
		}
	}
	for _, crashes := range []bool{false, true} {
		s := podStatus(pod, 7, crashes)
		var unready []string
		for _, c := range s.ContainerStatuses {
			if !c.Ready {
				unready = append(unready, c.Name)
			}
		}
		if crashes != slices.Equal(unready, []string{v1alpha1.DriverContainer}) {
			t.Errorf("crashes is %v, and not ready are %s", crashes, strings.Join(unready, ", "))
		}
		for _, c := range s.Conditions {
			if whole := c.Type == corev1.PodReady || c.Type == corev1.ContainersReady; (c.Status == corev1.ConditionTrue) == (crashes && whole) {
				t.Errorf("crashes is %v, and %s is %s", crashes, c.Type, c.Status)
			}
		}
	}
}
