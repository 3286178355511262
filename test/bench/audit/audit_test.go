// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/test/bench/audit"
)

const (
	applied = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete",` +
		`"requestURI":"/apis/apps/v1/namespaces/ns/deployments/d?fieldManager=csi-operator\u0026force=true","verb":"patch",` +
		`"user":{"username":"system:serviceaccount:ns:csi-operator","groups":["system:authenticated"]},` +
		`"objectRef":{"resource":"deployments","namespace":"ns","name":"d","apiGroup":"apps","apiVersion":"v1"},` +
		`"responseStatus":{"metadata":{},"code":201},"requestReceivedTimestamp":"2026-01-02T03:04:05.000001Z","stageTimestamp":"2026-01-02T03:04:05.123456Z"}`
	status = `{"stage":"ResponseComplete","requestURI":"/apis/csi-operator.io/v1alpha1/csidriverdeployments/d/status","verb":"update",` +
		`"user":{"username":"u"},"objectRef":{"resource":"csidriverdeployments","name":"d","subresource":"status"},` +
		`"responseStatus":{"code":200},"stageTimestamp":"2026-01-02T03:04:06.000000Z"}`
	watchBegan = `{"stage":"ResponseStarted","requestURI":"/api/v1/pods?watch=true","verb":"watch","user":{"username":"u"},` +
		`"objectRef":{"resource":"pods"},"responseStatus":{"code":200},"stageTimestamp":"2026-01-02T03:04:04.000000Z"}`
	watchEnded = `{"stage":"ResponseComplete","requestURI":"/api/v1/pods?watch=true","verb":"watch","user":{"username":"u"},` +
		`"objectRef":{"resource":"pods"},"responseStatus":{"code":200},"stageTimestamp":"2026-01-02T03:04:09.000000Z"}`
	discovery = `{"stage":"ResponseComplete","requestURI":"/apis","verb":"get","user":{"username":"u"},` +
		`"responseStatus":{"code":200},"stageTimestamp":"2026-01-02T03:04:03.000000Z"}`
	lease = `{"stage":"ResponseComplete","requestURI":"/apis/coordination.k8s.io/v1/namespaces/ns/leases/l","verb":"update","user":{"username":"l"},` +
		`"objectRef":{"resource":"leases","name":"l"},"responseStatus":{"code":200},"stageTimestamp":"2026-01-02T03:04:03.000000Z"}`
	leader = `{"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/ns/events","verb":"create","user":{"username":"l"},` +
		`"objectRef":{"resource":"events","name":"l.1"},"responseStatus":{"code":201},"stageTimestamp":"2026-01-02T03:04:03.000000Z"}`
	told = `{"stage":"ResponseComplete","requestURI":"/apis/events.k8s.io/v1/namespaces/ns/events","verb":"create","user":{"username":"l"},` +
		`"objectRef":{"resource":"events","name":"d.1"},"responseStatus":{"code":201},"stageTimestamp":"2026-01-02T03:04:03.000000Z"}`
)

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func since(t *testing.T, log *audit.Log, mark int) audit.Records {
	t.Helper()
	records, err := log.Since(mark)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestLogParsesRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	log := audit.Open(path)
	if got := since(t, log, 0); len(got) > 0 {
		t.Fatalf("records %v of a file that is not there", got)
	}
	write(t, path, strings.Join([]string{watchBegan, applied, status, watchEnded, discovery}, "\n")+"\n")
	at := func(text string) time.Time {
		done, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	want := audit.Records{
		{User: "u", Verb: "watch", Resource: "pods", Path: "/api/v1/pods?watch=true", Code: 200, Done: at("2026-01-02T03:04:04Z")},
		{
			User: "system:serviceaccount:ns:csi-operator", Verb: "patch", Resource: "deployments", Namespace: "ns", Name: "d", Code: 201,
			Path: "/apis/apps/v1/namespaces/ns/deployments/d?fieldManager=csi-operator&force=true", Done: at("2026-01-02T03:04:05.123456Z"),
		},
		{
			User: "u", Verb: "update", Resource: "csidriverdeployments/status", Name: "d", Code: 200,
			Path: "/apis/csi-operator.io/v1alpha1/csidriverdeployments/d/status", Done: at("2026-01-02T03:04:06Z"),
		},
		{User: "u", Verb: "get", Path: "/apis", Code: 200, Done: at("2026-01-02T03:04:03Z")},
	}
	if diff := cmp.Diff(want, since(t, log, 0)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestLogFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	log := audit.Open(path)
	write(t, path, applied+"\n"+status[:40])
	mark, err := log.Mark()
	if err != nil || mark != 1 {
		t.Fatalf("mark %d, error %v; want 1 behind one and a half lines", mark, err)
	}
	if got := since(t, log, mark); len(got) > 0 {
		t.Errorf("half a line counts: %v", got)
	}
	write(t, path, status[40:]+"\n")
	if got := since(t, log, mark); len(got) != 1 || got[0].Resource != "csidriverdeployments/status" {
		t.Errorf("got %v behind the mark, want the completed line", got)
	}
	write(t, path, "no JSON\n")
	if _, err := log.Since(0); err == nil {
		t.Error("a broken line passed")
	}
}

func TestRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, strings.Join([]string{watchBegan, applied, status, discovery, lease, leader, told}, "\n")+"\n")
	all := since(t, audit.Open(path), 0)
	for name, tc := range map[string]struct {
		condition func(audit.Record) bool
		want      int
	}{
		"Watch":        {audit.Record.Watch, 1},
		"Read":         {audit.Record.Read, 1},
		"Write":        {audit.Record.Write, 5},
		"NotWrite":     {audit.Not(audit.Record.Write), 2},
		"By":           {audit.By("u"), 3},
		"Event":        {audit.Record.Event, 2},
		"Housekeeping": {audit.Record.Housekeeping, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := all.Where(tc.condition); len(got) != tc.want {
				t.Errorf("%d records, want %d: %v", len(got), tc.want, got)
			}
		})
	}
	writes := all.Where(audit.Record.Write, audit.Not(audit.By("l")))
	if got := writes.Last().Sub(writes.First()); got != 876544*time.Microsecond {
		t.Errorf("first to last write took %v", got)
	}
	if none := all.Where(audit.By("nobody")); !none.First().IsZero() || !none.Last().IsZero() {
		t.Error("no records have a time")
	}
}
