// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type fields = map[string]any

// TestItemsByKey: items of such lists are compared by their keys, wherever they stand
// and whatever others stand beside them.
func TestItemsByKey(t *testing.T) {
	cases := map[string]struct {
		item, other fields
		path        string
	}{
		"containers":                {fields{"name": "a"}, fields{"name": "b"}, "[a]"},
		"initContainers":            {fields{"name": "a"}, fields{"name": "b"}, "[a]"},
		"volumes":                   {fields{"name": "a"}, fields{"name": "b"}, "[a]"},
		"env":                       {fields{"name": "a"}, fields{"name": "b"}, "[a]"},
		"imagePullSecrets":          {fields{"name": "a"}, fields{"name": "b"}, "[a]"},
		"volumeMounts":              {fields{"mountPath": "/a", "name": "a"}, fields{"mountPath": "/b", "name": "a"}, "[/a]"},
		"volumeDevices":             {fields{"devicePath": "/dev/a", "name": "a"}, fields{"devicePath": "/dev/b", "name": "a"}, "[/dev/a]"},
		"ports":                     {fields{"containerPort": int64(53), "protocol": "UDP"}, fields{"containerPort": int64(53), "protocol": "TCP"}, "[53/UDP]"},
		"topologySpreadConstraints": {fields{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}, fields{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}, "[zone/ScheduleAnyway]"},
	}
	for field, tc := range cases {
		t.Run(field, func(t *testing.T) {
			more := maps.Clone(tc.item)
			more["more"] = "x"
			want := fields{field: []any{tc.item}}
			if got := differences(want, fields{field: []any{tc.other, more}}); len(got) > 0 {
				t.Errorf("it is there, but differs at %v", got)
			}
			if diff := cmp.Diff([]string{field + tc.path}, differences(want, fields{field: []any{tc.other}})); diff != "" {
				t.Errorf("it is not there: -want, +got:\n%s", diff)
			}
		})
	}
}

// TestPortsAreTCP unless they say something else, and nothing but a protocol has a
// default.
func TestPortsAreTCP(t *testing.T) {
	port := func(p fields) fields { return fields{"ports": []any{p}} }
	cases := map[string]struct {
		want, have fields
		paths      []string
	}{
		"LeftOut":  {port(fields{"containerPort": int64(80)}), port(fields{"containerPort": int64(80), "protocol": "TCP"}), nil},
		"OtherOne": {port(fields{"containerPort": int64(80)}), port(fields{"containerPort": int64(80), "protocol": "UDP"}), []string{"ports[80/TCP]"}},
		"OtherKey": {fields{"env": []any{fields{"name": "TCP"}}}, fields{"env": []any{fields{}}}, []string{"env[TCP]"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.paths, differences(tc.want, tc.have), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	list := func(items ...any) []any { return items }
	cases := map[string]struct {
		have, want any
		covers     bool
	}{
		"Same":              {"a", "a", true},
		"Other":             {"a", "b", false},
		"DecodedNumber":     {float64(1), int64(1), true},
		"OtherNumber":       {float64(2), int64(1), false},
		"More":              {fields{"a": "x", "b": "y"}, fields{"a": "x"}, true},
		"Less":              {fields{"a": "x"}, fields{"a": "x", "b": "y"}, false},
		"NullForNothing":    {fields{}, fields{"a": nil}, true},
		"NothingForAnEmpty": {fields{}, fields{"emptyDir": fields{}}, false},
		"NothingForNoItems": {fields{}, fields{"items": list()}, false},
		"ItemsWithDefaults": {list(fields{"operator": "Exists", "effect": ""}), list(fields{"operator": "Exists"}), true},
		"OtherItems":        {list(fields{"operator": "Equal"}), list(fields{"operator": "Exists"}), false},
		"TheLastItem":       {list("a", "b"), list("a", "c"), false},
		"MoreItems":         {list("a", "b"), list("a"), false},
		"OtherOrder":        {list("a", "b"), list("b", "a"), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Covers(tc.have, tc.want); got != tc.covers {
				t.Errorf("got %t", got)
			}
		})
	}
}
