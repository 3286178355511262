// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
)

// sent is a request that was done so many milliseconds after the first.
func sent(user, verb, resource, name string, code, after int) audit.Record {
	return audit.Record{User: user, Verb: verb, Resource: resource, Name: name, Code: code, Done: time.UnixMilli(int64(1000 + after))}
}

func TestMeasure(t *testing.T) {
	const own = cluster.Operator
	created := sent(cluster.Admin, "create", drivers, "d", 201, 0)
	objects := audit.Records{
		created,
		sent(own, "watch", "pods", "", 200, 1),
		sent(own, "patch", drivers, "d", 200, 4),
		sent(own, "patch", "deployments", "d", 201, 10),
		sent(own, "patch", "daemonsets", "d", 500, 11),
		sent(own, "patch", "daemonsets", "d", 201, 20),
		sent(own, "update", "leases", "csi-operator", 200, 90),
		sent(own, "update", drivers+"/status", "d", 200, 25),
		sent(own, "create", "events", "d.1", 201, 40),
		sent(cluster.Floor, "patch", "deployments", "d", 201, 99),
	}
	for name, tc := range map[string]struct {
		records audit.Records
		objects int
		want    sample
		bad     bool
	}{
		"Installed":   {records: objects, objects: 2, want: sample{Applied: 20, Settled: 40, Requests: 2.5, Events: 1}},
		"WithReads":   {records: append(objects[:len(objects):len(objects)], sent(own, "get", "", "", 200, 41), sent(own, "list", "pods", "", 200, 42)), objects: 2, want: sample{Applied: 20, Settled: 40, Requests: 3.5, Events: 1, Reads: 2}},
		"OneIsAbsent": {records: objects, objects: 3, bad: true},
		"NotCreated":  {records: objects[1:], objects: 2, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := measure(tc.records, own, tc.objects)
			if tc.bad != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestMeasureBeginsWithTheFirstOfMany(t *testing.T) {
	records := audit.Records{
		sent(cluster.Admin, "create", drivers, "a", 201, 3),
		sent(cluster.Admin, "create", drivers, "b", 201, 7),
		sent(cluster.Floor, "patch", "roles", "b", 201, 13),
		sent(cluster.Floor, "patch", "roles", "a", 201, 12),
	}
	got, err := measure(records, cluster.Floor, 2)
	if err != nil || got.Applied != 10 {
		t.Errorf("%+v, error %v; want 10 ms", got, err)
	}
}
