// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
)

// drivers is the resource of CSIDriverDeployments.
const drivers = "csidriverdeployments"

// sample is what the API server saw of one installation. Times begin when the first
// CSIDriverDeployment was there, and are in milliseconds.
type sample struct {
	// Applied is until the last object was there.
	Applied float64 `json:"appliedMs"`
	// Settled is until the last write of any kind, status and finalizer included.
	Settled float64 `json:"settledMs"`
	// Requests is how many were sent for each object, apart from events.
	Requests float64 `json:"requestsPerObject"`
	Reads    int     `json:"reads"`
	Events   int     `json:"events"`
	// ServerCPU and OwnCPU are the processor time of the API server and the operator.
	ServerCPU float64 `json:"serverCpuMs"`
	OwnCPU    float64 `json:"operatorCpuMs"`
}

// measure reads a sample out of the records of an installation of some objects by a
// user, who did nothing else meanwhile.
func measure(records audit.Records, user string, objects int) (sample, error) {
	begun := records.Where(audit.By(cluster.Admin), isCreated).First()
	sent := records.Where(audit.By(user), audit.Not(audit.Record.Watch), audit.Not(audit.Record.Housekeeping))
	applied := sent.Where(isApplied)
	if n := distinct(applied); begun.IsZero() || n != objects {
		return sample{}, fmt.Errorf("%d of %d objects were applied for drivers created at %v", n, objects, begun)
	}
	events := sent.Where(audit.Record.Event)
	return sample{
		Applied:  milliseconds(applied.Last().Sub(begun)),
		Settled:  milliseconds(sent.Where(audit.Record.Write).Last().Sub(begun)),
		Requests: float64(len(sent)-len(events)) / float64(objects),
		Reads:    len(sent.Where(audit.Record.Read)),
		Events:   len(events),
	}, nil
}

func isCreated(r audit.Record) bool {
	return r.Resource == drivers && r.Verb == "create" && r.Code < 300
}

// isApplied is true for an object of a driver that arrived.
func isApplied(r audit.Record) bool {
	return r.Verb == "patch" && r.Code < 300 && r.Resource != drivers && r.Resource != drivers+"/status" && !r.Event()
}

// isStatus is true for a status of a driver that arrived.
func isStatus(r audit.Record) bool {
	return r.Resource == drivers+"/status" && r.Write() && r.Code < 300
}

// distinct counts the objects that requests are about.
func distinct(records audit.Records) int {
	seen := map[[3]string]bool{}
	for _, r := range records {
		seen[[3]string{r.Resource, r.Namespace, r.Name}] = true
	}
	return len(seen)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
