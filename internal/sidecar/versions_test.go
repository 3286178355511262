// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVersionFor(t *testing.T) {
	s := Sidecar{versions: pins{34: "v1.0.0", 35: "v1.1.0", 37: "v2.0.0"}}
	for minor, want := range map[int]string{0: "v2.0.0", 29: "v1.0.0", 34: "v1.0.0", 35: "v1.1.0", 37: "v2.0.0", 38: "v2.0.0", 50: "v2.0.0"} {
		if got := s.VersionFor(minor); got != want {
			t.Errorf("Kubernetes 1.%d: %s, want %s", minor, got, want)
		}
	}
}

// TestPins has the images of each Kubernetes as its e2e manifests name them.
func TestPins(t *testing.T) {
	want := map[int]map[Role]string{
		34: {
			Provisioner: "v5.1.0", Attacher: "v4.8.0", Resizer: "v1.13.1", Snapshotter: "v8.3.0", HealthMonitor: "v0.12.1",
			NodeDriverRegistrar: "v2.13.0", LivenessProbe: "v2.15.0",
		},
		35: {
			Provisioner: "v6.0.0", Attacher: "v4.10.0", Resizer: "v2.0.0", Snapshotter: "v8.4.0", HealthMonitor: "v0.16.0",
			NodeDriverRegistrar: "v2.15.0", LivenessProbe: "v2.17.0",
		},
		36: {
			Provisioner: "v6.1.1", Attacher: "v4.11.0", Resizer: "v2.1.0", Snapshotter: "v8.5.0", HealthMonitor: "v0.17.0",
			NodeDriverRegistrar: "v2.16.0", LivenessProbe: "v2.18.0",
		},
		37: {
			Provisioner: "v6.3.0", Attacher: "v4.12.0", Resizer: "v2.2.0", Snapshotter: "v8.6.0", HealthMonitor: "v0.18.0",
			NodeDriverRegistrar: "v2.17.0", LivenessProbe: "v2.19.0",
		},
	}
	for minor, versions := range want {
		got := map[Role]string{}
		for _, s := range Catalogue() {
			got[s.Role] = s.VersionFor(minor)
			if !slices.Contains(slices.Collect(maps.Values(s.versions)), s.Version) {
				t.Errorf("%s: %s runs by default on no Kubernetes", s.Role, s.Version)
			}
		}
		if diff := cmp.Diff(versions, got); diff != "" {
			t.Errorf("Kubernetes 1.%d: -want, +got:\n%s", minor, diff)
		}
	}
}

// TestPinsAreKnown: flags and gates of what runs by default can be checked, and nothing
// else is said to be known.
func TestPinsAreKnown(t *testing.T) {
	for _, s := range Catalogue() {
		for _, version := range s.versions {
			known, oldest, newest := s.At(version).Known()
			if takes, all := s.At(version).TakesFlag("no-such-flag"); !known || takes || len(all) == 0 {
				t.Errorf("%s %s: nothing is known of its flags", s.Name, version)
			}
			if before(version, oldest) || before(newest, version) {
				t.Errorf("%s %s is not within %s and %s", s.Name, version, oldest, newest)
			}
		}
		for _, version := range []string{"", "v99.0.0", "canary"} {
			if known, _, _ := s.At(version).Known(); known {
				t.Errorf("%s %q is said to be known", s.Name, version)
			}
		}
	}
}

// TestHealthMonitorByVersion: v0.19 asks for other capabilities, and writes other objects;
// of a version that nobody knows the same is said.
func TestHealthMonitorByVersion(t *testing.T) {
	const status = "persistentvolumeclaims/status: patch"
	old := NewCapabilities(VolumeCondition, GetVolume)
	cases := map[string]struct {
		capabilities   Capabilities
		lacks          string
		writesToClaims bool
	}{
		"v0.12.1":            {old, "", false},
		"v0.18.0":            {old, "", false},
		"v0.18.0-eksbuild.5": {NewCapabilities(GetVolumeHealth), VolumeCondition, false},
		"v0.19.0":            {old, GetVolumeHealth, true},
		"v0.19.1":            {NewCapabilities(GetVolumeHealth), "", true},
		"v0.20.0":            {NewCapabilities("Controller/LIST_VOLUME_HEALTH"), GetVolumeHealth, true},
		"":                   {NewCapabilities(GetVolumeHealth), "", true},
	}
	for version, tc := range cases {
		s := healthMonitor().At(version)
		if got := s.Lacks(tc.capabilities); got != tc.lacks || s.Needed(tc.capabilities) != (tc.lacks == "") {
			t.Errorf("%q lacks %q and is needed: %t; want %q", version, got, s.Needed(tc.capabilities), tc.lacks)
		}
		if rules := rulesOf(s, everything()); slices.Contains(rules, status) != tc.writesToClaims {
			t.Errorf("%q has the rules %q", version, rules)
		}
	}
	want := []string{
		"persistentvolumes: get list watch", "persistentvolumeclaims: get list watch", status, "events: create patch",
	}
	if diff := cmp.Diff(want, rulesOf(healthMonitor().At("v0.19.0"), everything())); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestPinsAreDocumented: docs/api.md has the same table.
func TestPinsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for minor, name := range map[int]string{34: "1.34 and older", 35: "1.35", 36: "1.36", 37: "1.37 and newer"} {
		row := "| " + name + " |"
		for _, s := range Catalogue() {
			row += " " + s.VersionFor(minor) + " |"
		}
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/api.md lacks the row %s", row)
		}
	}
}
