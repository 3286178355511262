// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVersionsByKubernetes: what nobody chose is what runs on that release of Kubernetes.
func TestVersionsByKubernetes(t *testing.T) {
	const image = "registry.k8s.io/sig-storage/csi-attacher:"
	cases := map[string]struct {
		minor      int
		spec, want string
	}{
		"Unknown": {0, "", image + "v4.12.0"},
		"Older":   {33, "", image + "v4.8.0"},
		"Old":     {35, "", image + "v4.10.0"},
		"Newer":   {38, "", image + "v4.12.0"},
		"Chosen":  {35, "  sidecars: {attacher: {version: v4.13.0}}", image + "v4.13.0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Kubernetes = tc.minor
			set, err := Render(customOf(t, tc.spec), f)
			if err != nil {
				t.Fatal(err)
			}
			if got := imageOf(podTemplates(t, set)[0].Spec, "csi-attacher"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestVersionOfKubernetesDecidesGates: what its version does not know is refused.
func TestVersionOfKubernetesDecidesGates(t *testing.T) {
	const spec = "  sidecars: {attacher: {featureGates: {MutableCSINodeAllocatableCount: true}}}"
	for minor, refused := range map[int]bool{34: true, 37: false} {
		f := facts()
		f.Kubernetes = minor
		if _, err := Render(customOf(t, spec), f); (err != nil) != refused {
			t.Errorf("Kubernetes 1.%d: %v", minor, err)
		}
	}
}

// TestWarnings tell of versions of which nothing is known, and of nothing else.
func TestWarnings(t *testing.T) {
	cases := map[string]struct {
		config, spec string
		want         []string
	}{
		"None":   {"", "  sidecars: {attacher: {version: v4.6.1}}", nil},
		"Vendor": {"", "  sidecars: {attacher: {image: 'x.example.com/a:v4.12.0-eksbuild.5'}}", nil},
		"Newer": {"", "  sidecars: {attacher: {version: v9.0.0, extraArgs: [--a], featureGates: {B: true}}}",
			[]string{"csi-attacher v9.0.0, since only v4.6.1 to v4.13.0 are known"}},
		"Older": {"", "  sidecars: {attacher: {version: v3.0.0}}",
			[]string{"csi-attacher v3.0.0, since only v4.6.1 to v4.13.0 are known"}},
		"NoVersion": {"", "  sidecars: {attacher: {image: 'x.example.com/a:canary'}}",
			[]string{"csi-attacher, since the image x.example.com/a:canary tells no version: give it in spec.sidecars.attacher.version"}},
		"VersionGiven": {"", "  sidecars: {attacher: {image: 'x.example.com/a:canary', version: v4.12.0}}", nil},
		"NoVersionOfPart": {"", "  controller: {sidecars: {attacher: {image: 'x.example.com/a'}}}",
			[]string{"csi-attacher, since the image x.example.com/a tells no version: give it in spec.controller.sidecars.attacher.version"}},
		"NoVersionConfigured": {"sidecars: {attacher: {image: 'x.example.com/a'}}", "",
			[]string{"csi-attacher, since the image x.example.com/a tells no version: give it in sidecars.attacher.version of the operator's configuration"}},
		"OnceForAllParts": {"", "  sidecars: {livenessProbe: {version: v9.0.0}}",
			[]string{"livenessprobe v9.0.0, since only v2.13.0 to v2.20.0 are known"}},
		"NotOfWhatDoesNotRun": {"", "  sidecars: {attacher: {enabled: false, version: v9.0.0}}", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := facts()
			var err error
			if f.Configuration, err = ReadConfiguration([]byte(header + tc.config)); err != nil {
				t.Fatal(err)
			}
			set, err := Render(customOf(t, tc.spec), f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, set.Warnings); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestHealthMonitorNeedsWhatItsVersionNeeds, before anybody starts it.
func TestHealthMonitorNeedsWhatItsVersionNeeds(t *testing.T) {
	cases := map[string]struct{ capability, version, want string }{
		"OldOfNew": {"Controller/GET_VOLUME_HEALTH", "v0.18.0", "the driver lacks Controller/VOLUME_CONDITION"},
		"NewOfOld": {"Controller/VOLUME_CONDITION", "v0.19.0", "the driver lacks Controller/GET_VOLUME_HEALTH"},
		"NewOfNew": {"Controller/GET_VOLUME_HEALTH", "v0.19.0", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := customOf(t, "  sidecars: {healthMonitor: {enabled: true, version: "+tc.version+"}}")
			d.Spec.Capabilities = append(d.Spec.Capabilities, "Controller/LIST_VOLUMES", tc.capability)
			_, err := Render(d, facts())
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}
