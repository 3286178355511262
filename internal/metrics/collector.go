// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics shows the status of all drivers to Prometheus. It has no memory of its
// own: what it shows is what the status says at the moment of a scrape.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// patience is how long a scrape may wait for the list, which is in memory.
const patience = 5 * time.Second

// List lists all drivers.
type List func(context.Context) ([]v1alpha1.CSIDriverDeployment, error)

// Collector makes metrics of what a list returns.
type Collector struct {
	list List
}

// New makes a Collector.
func New(list List) *Collector { return &Collector{list: list} }

const prefix = "csi_operator_driver_"

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, append([]string{"driver"}, labels...), nil)
}

// The metrics, all of them gauges.
var (
	info = describe("info", "What runs as the driver; always 1.", "namespace", "image", "version")

	condition = describe("condition", "Whether a condition of the status is True.", "condition", "reason")

	containersDesired = describe("containers_desired", "Containers of one name that are wanted in a component.", "component", "container")
	containersReady   = describe("containers_ready", "Containers of one name that are ready in a component.", "component", "container")
	containersState   = describe("containers_state", "The state of the containers of one name over all pods; always 1.", "component", "container", "state")

	nodesDesired    = describe("nodes_desired", "Nodes on which the driver is wanted.")
	nodesUpdated    = describe("nodes_updated", "Nodes on which the newest template runs.")
	nodesReady      = describe("nodes_ready", "Nodes on which the driver's pod is ready.")
	nodesRegistered = describe("nodes_registered", "Nodes on which the driver is registered and its pod is ready.")
)

// all are all metrics.
func all() []*prometheus.Desc {
	return []*prometheus.Desc{
		info, condition, containersDesired, containersReady, containersState,
		nodesDesired, nodesUpdated, nodesReady, nodesRegistered,
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range all() {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector. A list that fails makes the scrape fail: no
// number is better than an old one.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	drivers, err := c.list(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(info, err)
		return
	}
	for i := range drivers {
		collect(&drivers[i], metrics)
	}
}

// collect makes the metrics of one driver.
func collect(d *v1alpha1.CSIDriverDeployment, metrics chan<- prometheus.Metric) {
	gauge := func(of *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, append([]string{d.Name}, labels...)...)
	}
	s := d.Status
	gauge(info, 1, s.Namespace, s.Driver.Image, s.Driver.Version)
	for _, c := range s.Conditions {
		gauge(condition, truth(c.Status), c.Type, c.Reason)
	}
	for _, row := range s.Sidecars {
		gauge(containersDesired, float64(row.Desired), row.Component, row.Name)
		gauge(containersReady, float64(row.Ready), row.Component, row.Name)
		gauge(containersState, 1, row.Component, row.Name, string(row.State))
	}
	gauge(nodesDesired, float64(s.Nodes.Desired))
	gauge(nodesUpdated, float64(s.Nodes.Updated))
	gauge(nodesReady, float64(s.Nodes.Ready))
	gauge(nodesRegistered, float64(s.Nodes.Registered))
}

func truth(status metav1.ConditionStatus) float64 {
	if status == metav1.ConditionTrue {
		return 1
	}
	return 0
}
