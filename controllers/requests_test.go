// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"
)

// TestRequestsOfAnInstallation counts all that the operator sends for a driver until
// it is at rest, finalizer and status included.
func TestRequestsOfAnInstallation(t *testing.T) {
	t.Parallel()
	d := installed(t)
	awaitCalm(t, cluster.operator, d)
	sent, objects := requests(cluster.operator, d), len(owned(t, d.Name))
	const most = 1.2 // for each object
	if float64(len(sent)) > most*float64(objects) {
		t.Errorf("%d requests for %d objects: %q", len(sent), objects, sent)
	}
	for _, s := range sent {
		if strings.HasPrefix(s, "GET ") {
			t.Errorf("live read: %s", s)
		}
	}
}
