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

	leaderInfo = describe("leader_info", "The Lease by which the containers of one name elect a leader, and who leads, empty where nobody does; always 1.", "component", "container", "lease", "leader")

	nodesDesired    = describe("nodes_desired", "Nodes on which a pool of the driver is wanted.", "pool")
	nodesUpdated    = describe("nodes_updated", "Nodes on which the newest template of a pool runs.", "pool")
	nodesReady      = describe("nodes_ready", "Nodes on which the pod of a pool is ready.", "pool")
	nodesRegistered = describe("nodes_registered", "Nodes on which the driver is registered and the pod of a pool is ready.", "pool")
	nodesStale      = describe("nodes_stale", "Nodes whose CSINode lists the driver although none of its pods is there, as many as the status names: at most ten.")
)

// all are all metrics.
func all() []*prometheus.Desc {
	return []*prometheus.Desc{
		info, condition, containersDesired, containersReady, containersState, leaderInfo,
		nodesDesired, nodesUpdated, nodesReady, nodesRegistered, nodesStale,
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

// send sends one value of one driver; the labels come in the order of the description.
type send func(of *prometheus.Desc, value float64, labels ...string)

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
		collectRow(row, gauge)
	}
	for _, pool := range s.Nodes.Pools {
		collectPool(pool, gauge)
	}
	gauge(nodesStale, float64(len(s.Nodes.Stale)))
}

func collectRow(row v1alpha1.SidecarStatus, gauge send) {
	gauge(containersDesired, float64(row.Desired), row.Component, row.Name)
	gauge(containersReady, float64(row.Ready), row.Component, row.Name)
	gauge(containersState, 1, row.Component, row.Name, string(row.State))
	if row.Lease != "" {
		gauge(leaderInfo, 1, row.Component, row.Name, row.Lease, row.Leader)
	}
}

func collectPool(pool v1alpha1.PoolStatus, gauge send) {
	gauge(nodesDesired, float64(pool.Desired), pool.Name)
	gauge(nodesUpdated, float64(pool.Updated), pool.Name)
	gauge(nodesReady, float64(pool.Ready), pool.Name)
	gauge(nodesRegistered, float64(pool.Registered), pool.Name)
}

func truth(status metav1.ConditionStatus) float64 {
	if status == metav1.ConditionTrue {
		return 1
	}
	return 0
}
