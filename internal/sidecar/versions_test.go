// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
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
			if s.Version != want[37][s.Role] {
				t.Errorf("%s is of %s, which is not the newest", s.Role, s.Version)
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

// TestResizerByVersion: before v2.1.0 it ended beside a driver that can only modify.
func TestResizerByVersion(t *testing.T) {
	const both, all = "any of Controller/EXPAND_VOLUME and Node/EXPAND_VOLUME", "any of Controller/EXPAND_VOLUME, Node/EXPAND_VOLUME and Controller/MODIFY_VOLUME"
	modifies, grows := NewCapabilities(ModifyVolume), NewCapabilities(ControllerExpand)
	nodeGrows, nobody := NewCapabilities(ControllerService, NodeExpand), NewCapabilities(NodeExpand)
	for version, wants := range map[string]string{"v1.13.1": both, "v2.0.0": both, "v2.1.0": all, "v2.2.0-vendor.1": all, "": all} {
		s := resizer().At(version)
		if !s.Needed(nodeGrows) || s.Lacks(nodeGrows) != "" || s.Needed(nobody) || s.Lacks(nobody) == "" {
			t.Errorf("%q: what only the node grows needs a controller service, and no more", version)
		}
		if got := s.Lacks(NewCapabilities(ControllerService)); got != wants {
			t.Errorf("%q lacks %q, want %q", version, got, wants)
		}
		if s.Needed(modifies) != (wants == all) || (s.Lacks(modifies) == "") != (wants == all) || !s.Needed(grows) || s.Lacks(grows) != "" {
			t.Errorf("%q is needed for a driver that modifies: %t, that grows: %t", version, s.Needed(modifies), s.Needed(grows))
		}
	}
}

// TestKnowledgeByVersion of what CHANGELOG-6.0 and 6.2 of external-provisioner and 2.0 of
// external-resizer brought.
func TestKnowledgeByVersion(t *testing.T) {
	for _, tc := range []struct {
		sidecar        Sidecar
		version        string
		classes, modif bool
	}{
		{provisioner(), "v5.3.0", false, false},
		{provisioner(), "v6.0.0", true, false},
		{provisioner(), "v6.1.1-vendor.2", true, false},
		{provisioner(), "v6.2.0", true, true},
		{provisioner(), "", true, true},
		{resizer(), "v1.14.0", false, true},
		{resizer(), "v2.0.0", true, true},
		{attacher(), "v4.6.1", true, true},
	} {
		s := tc.sidecar.At(tc.version)
		classes, _ := s.ServesAttributesClasses()
		secrets, _ := s.TakesModifySecrets()
		if classes != tc.classes || secrets != tc.modif {
			t.Errorf("%s %q: serves classes %t, takes secrets %t", s.Name, tc.version, classes, secrets)
		}
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
