// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// job is what Prometheus calls the operator: the name of its Service.
const job = "csi-operator-metrics"

// metrics are the labels of each metric that there is.
type metrics map[string][]string

// targetLabels are what Prometheus adds to each series that it scrapes by a ServiceMonitor.
func targetLabels() []string {
	return []string{"container", "endpoint", "instance", "job", "namespace", "pod", "service"}
}

// known are the metrics of the operator, as its own tests have seen them, and what Prometheus
// says of each target.
func known(t *testing.T) metrics {
	t.Helper()
	m := metrics{"up": targetLabels()}
	m.addDrivers(read(t, "internal", "metrics", "testdata", "two.prom"))
	if len(m) == 1 {
		t.Fatal("there are no metrics of drivers")
	}
	m.addOthers(read(t, "cmd", "csi-operator", "testdata", "metrics.txt"))
	return m
}

var (
	sampleLine = regexp.MustCompile(`(?m)^(\w+)\{(.*)\} \S+$`)
	sampled    = regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
)

// addDrivers adds what a scrape shows.
func (m metrics) addDrivers(scrape string) {
	for _, sample := range sampleLine.FindAllStringSubmatch(scrape, -1) {
		labels := targetLabels()
		for _, label := range sampled.FindAllStringSubmatch(sample[2], -1) {
			labels = append(labels, label[1])
		}
		m[sample[1]] = labels
	}
}

// addOthers adds metrics of a list: name, type, labels.
func (m metrics) addOthers(list string) {
	for line := range strings.Lines(list) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "#" {
			continue
		}
		kind, labels, _ := strings.Cut(rest, " ")
		all := slices.Concat(targetLabels(), strings.Split(labels, ","))
		m[name] = all
		if kind == "HISTOGRAM" {
			m[name+"_bucket"], m[name+"_count"], m[name+"_sum"] = append(slices.Clone(all), "le"), all, all
			delete(m, name)
		}
	}
}

// TestEveryOtherMetricIsUsed: the list of metrics that are not of drivers is no longer than it
// has to be.
func TestEveryOtherMetricIsUsed(t *testing.T) {
	used := read(t, "config", "prometheus", "rules.yaml") + read(t, "config", "grafana", "csi-operator.json")
	m := metrics{}
	m.addOthers(read(t, "cmd", "csi-operator", "testdata", "metrics.txt"))
	for name := range m {
		name = strings.NewReplacer("_count", "", "_sum", "", "_bucket", "").Replace(name)
		if !strings.Contains(used, name) {
			t.Errorf("neither an alert nor the dashboard names %s: take it out of metrics.txt", name)
		}
	}
}

// TestEveryMetricOfDriversIsShown: what status tells is on the dashboard.
func TestEveryMetricOfDriversIsShown(t *testing.T) {
	dashboard := read(t, "config", "grafana", "csi-operator.json")
	m := metrics{}
	m.addDrivers(read(t, "internal", "metrics", "testdata", "two.prom"))
	for name := range m {
		if !strings.Contains(dashboard, name+"{") {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}
