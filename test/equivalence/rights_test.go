// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRights has accounts of a provisioner that elects a leader.
func TestRights(t *testing.T) {
	const (
		get, create = leaseResource + ":get", leaseResource + ":create"
		lease, own  = " of x-example-com in own namespace", " in own namespace"
		capacity    = "storage.k8s.io/csistoragecapacities:get"
	)
	cases := map[string]struct {
		wanted, granted, missing, unneeded, extra []string
	}{
		"Same":                 {wanted: []string{"core/pods:get"}, granted: []string{"core/pods:get"}},
		"Missing":              {wanted: []string{"core/pods:get", "core/pods:list"}, granted: []string{"core/pods:get"}, missing: []string{"core/pods:list"}},
		"Unneeded":             {granted: []string{"core/pods:delete"}, unneeded: []string{"core/pods:delete"}},
		"Needed":               {granted: []string{"core/nodes:get"}, extra: []string{"core/nodes:get"}},
		"InOwnNamespaceOnly":   {wanted: []string{"core/secrets:get"}, granted: []string{"core/secrets:get" + own}, missing: []string{"core/secrets:get"}, unneeded: []string{"core/secrets:get" + own}},
		"UsedInOwnNamespace":   {wanted: []string{capacity}, granted: []string{capacity + own}},
		"InAnotherNamespace":   {wanted: []string{capacity}, granted: []string{capacity + " in other"}, missing: []string{capacity}, unneeded: []string{capacity + " in other"}},
		"NeededInOwnNamespace": {granted: []string{"core/pods:get" + own}, extra: []string{"core/pods:get" + own}},
		"LeaseByName":          {wanted: []string{get, create}, granted: []string{get + lease, create + own}},
		"LeaseOfAnother":       {wanted: []string{get}, granted: []string{get + " of y in own namespace"}, missing: []string{get}, unneeded: []string{get + " of y in own namespace"}},
		"AllLeases":            {wanted: []string{get, create}, granted: []string{get + own, create + own}, extra: []string{get + own}},
		"LeaseNobodyWants":     {granted: []string{get + lease}, unneeded: []string{get + lease}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := Facts{Rights: map[string][]string{componentController: tc.wanted}}
			w := Workload{Containers: map[string]Container{provisioner: {Args: map[string]int{"--leader-election": 1}}}}
			got := Facts{
				Rights:    map[string][]string{componentController: tc.granted},
				Workloads: map[string]Workload{componentController: w},
				Leases:    map[string][]string{componentController: leases(w, "x.example.com", "ns")},
			}
			var missing, unneeded []string
			for _, d := range grants(want, got)[0].differences() {
				right := d.Path[len("rbac/controller/"):]
				if d.Got == "granted" {
					unneeded = append(unneeded, right)
				} else {
					missing = append(missing, right)
				}
			}
			for kind, lists := range map[string][2][]string{
				"missing": {tc.missing, missing}, "unneeded": {tc.unneeded, unneeded}, "extra": {tc.extra, ExtraRights(want, got)[componentController]},
			} {
				if diff := cmp.Diff(lists[0], lists[1], equateEmpty); diff != "" {
					t.Errorf("%s: -want, +got:\n%s", kind, diff)
				}
			}
		})
	}
}

func TestPoolsShareAnAccount(t *testing.T) {
	want := Facts{Rights: map[string][]string{"node": {"core/secrets:get"}}, Tokens: map[string]bool{"node": true}}
	got := Facts{Rights: map[string][]string{"node": {"core/secrets:get"}, "node-windows": nil}, Tokens: map[string]bool{"node": true}}
	differences := Compare(want, got, Allowances{})
	if diff := cmp.Diff([]Difference{
		{"rbac/node-windows/core/secrets:get", "granted", "not granted"},
		{"rbac/node-windows/token", "mounted", "not mounted"},
	}, differences); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestLeases has the names that real sidecars were seen to take.
func TestLeases(t *testing.T) {
	elected := func(more ...string) Container {
		args := map[string]int{"--leader-election": 1}
		for _, arg := range more {
			args[arg]++
		}
		return Container{Args: args}
	}
	w := Workload{Containers: map[string]Container{
		provisioner:   elected(),
		attacher:      elected("--leader-election-namespace=<fieldRef:metadata.namespace>"),
		resizer:       elected("--leader-election-namespace=ns"),
		snapshotter:   elected("--leader-election-namespace=kube-system"),
		healthMonitor: {},
		livenessProbe: elected(),
	}}
	want := []string{
		" of external-attacher-leader-hostpath-csi-k8s-io in own namespace",
		" of external-resizer-hostpath-csi-k8s-io in own namespace",
		" of external-snapshotter-leader-hostpath-csi-k8s-io in kube-system",
		" of hostpath-csi-k8s-io in own namespace",
	}
	if diff := cmp.Diff(want, leases(w, "hostpath.csi.k8s.io", "ns")); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got := leaseName("a-b."); got != "a-b-X" {
		t.Errorf("got %s", got)
	}
}

func TestNeeds(t *testing.T) {
	cases := map[string]struct {
		role, right string
		needed      bool
	}{
		"PublishedVolumes": {attacher, "storage.k8s.io/volumeattachments/status:patch", true},
		"Groups":           {snapshotter, "groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents:update", true},
		"ClassOfResize":    {resizer, "storage.k8s.io/volumeattributesclasses:watch", true},
		"Owner":            {provisioner, "apps/replicasets:get in own namespace", true},
		"OwnerElsewhere":   {provisioner, "apps/replicasets:get", false},
		"Events":           {healthMonitor, "core/events:get", true},
		"Registration":     {registrar, "core/nodes:get", false},
		"Liveness":         {livenessProbe, "core/pods:get", false},
		"Driver":           {driver, "core/secrets:get", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := Workload{Containers: map[string]Container{tc.role: {}}}
			if needed := slices.Contains(needs(w), tc.right); needed != tc.needed {
				t.Errorf("%s needs %s: %v", tc.role, tc.right, needed)
			}
		})
	}
}
