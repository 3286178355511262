// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestLeader: containers that elect a leader work only while one of them leads.
func TestLeader(t *testing.T) {
	const c, lease = v1alpha1.ComponentController, "external-attacher-leader-pool"
	long := strings.Repeat("a", 62) + "-b"
	onHost := func(p *corev1.Pod) { p.Spec.HostNetwork = true }
	called := func(p *corev1.Pod) { p.Spec.Hostname = "vendor" }
	cases := map[string]struct {
		pods    []corev1.Pod
		unready bool
		lease   Lease
		unknown bool
		late    bool
		want    v1alpha1.SidecarState
		leader  string
		message string
		waits   time.Duration
	}{
		"Led":           {lease: Lease{Holder: "c2"}, want: v1alpha1.SidecarHealthy, leader: "c2"},
		"LedOnTheHost":  {pods: []corev1.Pod{pod("c1", c, "node-a", onHost)}, lease: Lease{Holder: "node-a"}, want: v1alpha1.SidecarHealthy, leader: "node-a"},
		"NotOfTheHost":  {pods: []corev1.Pod{pod("node-a", c, "c1", onHost)}, lease: Lease{Holder: "node-a"}, want: v1alpha1.SidecarStarting, message: "1 of 1 ready; Lease " + lease + " is held by node-a, which is gone; until another one takes it over, none works"},
		"LedByHostname": {pods: []corev1.Pod{pod("c1", c, "node-a", called)}, lease: Lease{Holder: "vendor"}, want: v1alpha1.SidecarHealthy, leader: "vendor"},
		"LedByALongName": {
			pods: []corev1.Pod{pod(long, c, "node-a")}, lease: Lease{Holder: strings.Repeat("a", 62)}, want: v1alpha1.SidecarHealthy, leader: strings.Repeat("a", 62),
		},
		"NotKnown":   {unknown: true, want: v1alpha1.SidecarHealthy},
		"NotYet":     {want: v1alpha1.SidecarStarting, message: "2 of 2 ready; none has taken Lease " + lease + " yet", waits: untilElected},
		"Never":      {late: true, want: v1alpha1.SidecarDown, message: "2 of 2 ready; none takes Lease " + lease + ", without which none works; can they reach the driver, and may their account create and update the Lease?", waits: untilElected},
		"HeldByDead": {lease: Lease{Holder: "c0"}, want: v1alpha1.SidecarStarting, message: "2 of 2 ready; Lease " + lease + " is held by c0, which is gone; until another one takes it over, none works"},
		"HeldByDeadForLong": {
			lease: Lease{Holder: "c0", Expired: true}, late: true, want: v1alpha1.SidecarDown,
			message: "2 of 2 ready; Lease " + lease + " is held by c0, which is gone; until another one takes it over, none works", waits: 22 * time.Second,
		},
		"Expired": {lease: Lease{Holder: "c1", Expired: true}, want: v1alpha1.SidecarStarting, message: "2 of 2 ready; c1 does not renew Lease " + lease + " any more; until another one takes it over, none works", waits: 22 * time.Second},
		"ExpiredForLong": {
			lease: Lease{Holder: "c1", Expired: true}, late: true, want: v1alpha1.SidecarDown,
			message: "2 of 2 ready; c1 does not renew Lease " + lease + " any more; until another one takes it over, none works", waits: 22 * time.Second,
		},
		"NotReady":    {unready: true, want: v1alpha1.SidecarStarting, message: "0 of 2 ready; pod c1 is not ready yet"},
		"NotReadyLed": {unready: true, lease: Lease{Holder: "c1"}, want: v1alpha1.SidecarStarting, leader: "c1", message: "0 of 2 ready; pod c1 is not ready yet"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pods := tc.pods
			if pods == nil {
				pods = []corev1.Pod{pod("c1", c, ""), pod("c2", c, "")}
			}
			for i := range pods {
				if !tc.unready {
					with(well("csi-attacher"))(&pods[i])
				}
			}
			count := int32(len(pods)) //nolint:gosec // few
			o := Observed{Controller: deployment(count, count), Pods: pods, Leases: map[string]Lease{lease: tc.lease}}
			if tc.unknown {
				o.Leases = nil
			}
			if tc.late {
				o.Overdue = map[string]bool{"lease/" + lease: true}
			}
			rows := []desired.Row{{Component: c, Name: "csi-attacher", Lease: lease, RetryPeriod: 5 * time.Second}}
			got := Assess(driver, both()[:1], rows, o).Sidecars[0]
			if got.State != tc.want || got.Leader != tc.leader || got.Message != tc.message || got.Lease != lease {
				t.Errorf("row is %+v", got)
			}
			var waits []Wait
			if tc.waits > 0 {
				waits = []Wait{{"lease/" + lease, tc.waits}}
			}
			if diff := cmp.Diff(waits, Waits(driver, both()[:1], rows, o), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("waits: -want, +got:\n%s", diff)
			}
		})
	}
}

// TestUngranted: a sidecar without its rights does not work, and a container that needs none
// does.
func TestUngranted(t *testing.T) {
	const c = v1alpha1.ComponentController
	rows := []desired.Row{{Component: c, Name: "driver"}, {Component: c, Name: "csi-attacher", CallsAPI: true}}
	for component, want := range map[string]v1alpha1.SidecarState{c: v1alpha1.SidecarDown, v1alpha1.DefaultNodePool: v1alpha1.SidecarHealthy} {
		o := Observed{
			Controller: deployment(1, 1), Ungranted: map[string]string{component: "ClusterRole x is not there"},
			Pods: []corev1.Pod{pod("c1", c, "node-a", with(well("driver")), with(well("csi-attacher")))},
		}
		got := Assess(driver, both()[:1], rows, o).Sidecars
		if got[0].State != v1alpha1.SidecarHealthy || got[1].State != want {
			t.Errorf("%s: rows are %+v", component, got)
		}
		if want == v1alpha1.SidecarDown && got[1].Message != "1 of 1 ready; its account lacks rights: ClusterRole x is not there" {
			t.Errorf("message is %q", got[1].Message)
		}
	}
}

// TestTakeover: the patience follows how often the others try.
func TestTakeover(t *testing.T) {
	for retry, want := range map[time.Duration]time.Duration{0: 22 * time.Second, 5 * time.Second: 22 * time.Second, 10 * time.Second: 44 * time.Second} {
		if got := untilTakenOver(desired.Row{RetryPeriod: retry}); got != want {
			t.Errorf("tried every %s: %s, want %s", retry, got, want)
		}
	}
}

// TestIsOverdue: a written status tells which waits had lasted too long.
func TestIsOverdue(t *testing.T) {
	down := v1alpha1.SidecarStatus{Name: "csi-attacher", Lease: "l", State: v1alpha1.SidecarDown, Desired: 1, Ready: 1}
	starting, crashed := down, down
	starting.State, crashed.Ready = v1alpha1.SidecarStarting, 0
	unknown := v1alpha1.SidecarStatus{Name: "node-driver-registrar", Worst: &v1alpha1.ContainerProblem{Reason: reasonNotRegistered}}
	refused := v1alpha1.SidecarStatus{Name: "node-driver-registrar", Worst: &v1alpha1.ContainerProblem{Reason: reasonNotRegistered, ExitCode: new(int32(1))}}
	for _, tc := range []struct {
		row  v1alpha1.SidecarStatus
		key  string
		want bool
	}{
		{down, "lease/l", true}, {down, "lease/m", false}, {starting, "lease/l", false}, {crashed, "lease/l", false},
		{unknown, "uid", true}, {refused, "uid", false}, {down, "uid", false},
	} {
		if got := IsOverdue(tc.row, tc.key); got != tc.want {
			t.Errorf("%+v, %s: %t", tc.row, tc.key, got)
		}
	}
}
