// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// panel is what is looked at of a panel of Grafana.
type panel struct {
	ID         int        `json:"id"`
	Title      string     `json:"title"`
	Type       string     `json:"type"`
	Datasource datasource `json:"datasource"`
	Place      place      `json:"gridPos"`
	Targets    []struct {
		Datasource datasource `json:"datasource"`
		Expr       string     `json:"expr"`
		Legend     string     `json:"legendFormat"`
	} `json:"targets"`
}

type datasource struct{ Type, UID string }

type place struct{ X, Y, W, H int }

func (p place) overlaps(other place) bool {
	return p.X < other.X+other.W && other.X < p.X+p.W && p.Y < other.Y+other.H && other.Y < p.Y+p.H
}

// dashboard reads the dashboard out of the ConfigMap by which Grafana gets it.
func dashboard(t *testing.T) (panels []panel, variables []string) {
	t.Helper()
	objects := render(t, "../../../config/grafana")
	if objects["ConfigMap"].Metadata.Labels["grafana_dashboard"] != "1" || len(objects) != 1 {
		t.Fatalf("Grafana would not find the dashboard in %v", objects)
	}
	text := decode[struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   any               `json:"metadata"`
		Data       map[string]string `json:"data"`
	}](t, objects, "ConfigMap").Data["csi-operator.json"]
	var board struct {
		SchemaVersion int `json:"schemaVersion"`
		Panels        []panel
		Templating    struct {
			List []struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	if board.SchemaVersion < 39 { // that of Grafana 11.0
		t.Errorf("schema %d is older than Grafana 11", board.SchemaVersion)
	}
	for _, v := range board.Templating.List {
		variables = append(variables, v.Name)
	}
	return board.Panels, variables
}

var (
	variable      = regexp.MustCompile(`\$\{?(\w+)\}?`)
	labelInLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// TestQueriesOfTheDashboard: they name what there is, and legends only what they return.
func TestQueriesOfTheDashboard(t *testing.T) {
	m := known(t)
	panels, variables := dashboard(t)
	for _, p := range panels {
		t.Run(p.Title, func(t *testing.T) {
			for _, target := range p.Targets {
				for _, match := range variable.FindAllStringSubmatch(target.Expr+target.Datasource.UID, -1) {
					if match[1] != "__rate_interval" && !slices.Contains(variables, match[1]) {
						t.Errorf("there is no variable %s", match[1])
					}
				}
				query := strings.NewReplacer("$__rate_interval", "5m", "$driver", "a").Replace(target.Expr)
				labels, err := m.query(query)
				if err != nil {
					t.Fatalf("%s: %v", target.Expr, err)
				}
				checkValues(t, query)
				for _, match := range labelInLegend.FindAllStringSubmatch(target.Legend, -1) {
					if !slices.Contains(labels, match[1]) {
						t.Errorf("the legend %q names the label %s, of %v", target.Legend, match[1], labels)
					}
				}
			}
		})
	}
}

// TestPanels: each has its place, queries, and the data source that was chosen.
func TestPanels(t *testing.T) {
	panels, _ := dashboard(t)
	chosen := datasource{Type: "prometheus", UID: "${datasource}"}
	for i, p := range panels {
		if p.Place.X+p.Place.W > 24 {
			t.Errorf("panel %q is beyond the right end", p.Title)
		}
		for _, other := range panels[:i] {
			if other.ID == p.ID || other.Place.overlaps(p.Place) {
				t.Errorf("panels %q and %q have one number or place", other.Title, p.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource != chosen {
			t.Errorf("panel %q shows nothing, or by data source %v", p.Title, p.Datasource)
		}
		for _, target := range p.Targets {
			if target.Datasource != chosen {
				t.Errorf("panel %q asks data source %v", p.Title, target.Datasource)
			}
		}
	}
}
