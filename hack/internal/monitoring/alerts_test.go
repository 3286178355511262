// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// alerts are those that Prometheus gets.
func alerts(t *testing.T) []monitoringv1.Rule {
	t.Helper()
	var all []monitoringv1.Rule
	rules := decode[monitoringv1.PrometheusRule](t, render(t, "../../../config/prometheus"), "PrometheusRule")
	for _, group := range rules.Spec.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

var labelInText = regexp.MustCompile(`\$labels\.(\w+)`)

// TestQueriesOfAlerts: they name what there is, and their texts only what they return.
func TestQueriesOfAlerts(t *testing.T) {
	m := known(t)
	for _, alert := range alerts(t) {
		t.Run(alert.Alert, func(t *testing.T) {
			labels, err := m.query(alert.Expr.StrVal)
			if err != nil {
				t.Fatal(err)
			}
			checkValues(t, alert.Expr.StrVal)
			for _, text := range alert.Annotations {
				for _, match := range labelInText.FindAllStringSubmatch(text, -1) {
					if !slices.Contains(labels, match[1]) {
						t.Errorf("the text %q names the label %s, of %v", text, match[1], labels)
					}
				}
			}
		})
	}
}

// TestTextsOfAlerts: each alert says how bad it is, what is the matter, and what to do.
func TestTextsOfAlerts(t *testing.T) {
	manual := read(t, "docs", "monitoring.md")
	for _, alert := range alerts(t) {
		t.Run(alert.Alert, func(t *testing.T) {
			severity := alert.Labels["severity"]
			if severity != "critical" && severity != "warning" {
				t.Errorf("severity %q", severity)
			}
			if alert.For == nil {
				t.Fatal("it fires at once")
			}
			if !strings.HasSuffix(alert.Annotations["summary"], ".") {
				t.Errorf("summary %q is no sentence", alert.Annotations["summary"])
			}
			if !strings.Contains(alert.Annotations["description"], "docs/troubleshooting.md") {
				t.Errorf("description %q points nowhere", alert.Annotations["description"])
			}
			if !strings.HasSuffix(alert.Annotations["runbook_url"], "/docs/monitoring.md#"+strings.ToLower(alert.Alert)) {
				t.Errorf("runbook %q", alert.Annotations["runbook_url"])
			}
			if heading := fmt.Sprintf("\n#### %s\n*%s, after %s.* ", alert.Alert, severity, *alert.For); !strings.Contains(manual, heading) {
				t.Errorf("docs/monitoring.md lacks %q", heading)
			}
		})
	}
}

var headingOfAlert = regexp.MustCompile(`(?m)^#### (CSI\w+)$`)

// TestAlertsOfTheManual: docs/monitoring.md has no alert that there is not.
func TestAlertsOfTheManual(t *testing.T) {
	all := alerts(t)
	for _, match := range headingOfAlert.FindAllStringSubmatch(read(t, "docs", "monitoring.md"), -1) {
		if !slices.ContainsFunc(all, func(alert monitoringv1.Rule) bool { return alert.Alert == match[1] }) {
			t.Errorf("docs/monitoring.md tells of %s, which is no alert", match[1])
		}
	}
}
