// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func two(context.Context) ([]v1alpha1.CSIDriverDeployment, error) {
	well := v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Name: "a.example.com"}}
	well.Status = v1alpha1.CSIDriverDeploymentStatus{
		Namespace:  "csi-a",
		Driver:     v1alpha1.DriverStatus{Image: "reg/a:v1", Version: "v1"},
		Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready"}, {Type: "Applied", Status: metav1.ConditionFalse, Reason: "Conflict"}},
		Sidecars: []v1alpha1.SidecarStatus{
			{Component: "controller", Name: "csi-attacher", Desired: 2, Ready: 1, State: v1alpha1.SidecarDegraded, Lease: "external-attacher-leader-a", Leader: "a-controller-0"},
			{Component: "controller", Name: "csi-resizer", Desired: 2, Ready: 2, State: v1alpha1.SidecarDown, Lease: "external-resizer-a"},
			{Component: "fast", Name: "driver", Desired: 5, Ready: 5, State: v1alpha1.SidecarHealthy},
		},
		Nodes: v1alpha1.NodesStatus{
			WorkloadStatus: v1alpha1.WorkloadStatus{Desired: 7, Updated: 5, Ready: 4}, Registered: 3,
			Stale: []string{"node-8", "node-9"},
			Pools: []v1alpha1.PoolStatus{
				{Name: "fast", WorkloadStatus: v1alpha1.WorkloadStatus{Desired: 5, Updated: 4, Ready: 3}, Registered: 2},
				{Name: "slow", WorkloadStatus: v1alpha1.WorkloadStatus{Desired: 2, Updated: 1, Ready: 1}, Registered: 1},
			},
		},
	}
	return []v1alpha1.CSIDriverDeployment{well, {ObjectMeta: metav1.ObjectMeta{Name: "new.example.com"}}}, nil
}

func TestCollector(t *testing.T) {
	want, err := os.Open("testdata/two.prom")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if err := testutil.CollectAndCompare(New(two), want); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(New(two))
	if err != nil || len(problems) > 0 {
		t.Errorf("names and helps: %v, %v", problems, err)
	}
}

// TestNoNumbersWithoutAList: a scrape fails rather than tell of nothing.
func TestNoNumbersWithoutAList(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(New(func(context.Context) ([]v1alpha1.CSIDriverDeployment, error) { return nil, errors.New("no cache") }))
	if _, err := r.Gather(); err == nil || !strings.Contains(err.Error(), "no cache") {
		t.Errorf("error %v", err)
	}
}

// TestDocumented: docs/operator.md has every metric with its labels.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operator.md")
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(New(two))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != len(all()) {
		t.Errorf("%d metrics are described and %d collected", len(all()), len(families))
	}
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		row := "| `" + f.GetName() + "` | " + strings.Join(labels, ", ") + " |"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/operator.md lacks the row %s", row)
		}
	}
}
