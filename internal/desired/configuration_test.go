// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

const header = "apiVersion: config.csi-operator.io/v1alpha1\nkind: OperatorConfiguration\n"

func TestBadConfiguration(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"NotYAML":         {"{", "not YAML"},
		"Twice":           {header + "kind: OperatorConfiguration", "not YAML"},
		"OtherKind":       {"apiVersion: v1\nkind: ConfigMap", "kind ConfigMap of v1 is not OperatorConfiguration of config.csi-operator.io/v1alpha1"},
		"UnknownField":    {header + "sidecar: {}", `unknown field "sidecar"`},
		"UnknownRole":     {header + "sidecars: {snapshoter: {version: v8.7.0}}", "sidecars.snapshoter: is no sidecar; use one of [attacher healthMonitor livenessProbe"},
		"VersionWithoutV": {header + "sidecars: {attacher: {version: '4.13.0'}}", `sidecars.attacher.version: "4.13.0" is no release; write it as v1.2.3`},
		"VersionOfNoTag":  {header + "sidecars: {attacher: {version: 'v4.13.0+x'}}", `sidecars.attacher.version: "v4.13.0+x" is no release`},
		"BadVersion":      {header + "sidecars: {attacher: {version: '4.13'}}", `sidecars.attacher.version: "4.13" is no release`},
		"BadImage":        {header + "sidecars: {attacher: {image: 'A B'}}", `sidecars.attacher.image: "A B" is no name of an image`},
		"BadInspector":    {header + "inspector: 'A B'", `inspector: "A B" is no name of an image`},
		"BadRegistry":     {header + "images: {registry: 'https://m.example.com'}", `images.registry: "https://m.example.com" is no registry`},
		"BadPolicy":       {header + "images: {pullPolicy: always}", `images.pullPolicy: "always" is none of [Always IfNotPresent Never]`},
		"WrongType":       {header + "images: []", "no OperatorConfiguration: "},
		"WrongTypeBelow":  {header + "images: {pullSecrets: a}", "no OperatorConfiguration: "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadConfiguration([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want …%s…", err, tc.want)
			}
		})
	}
}

// configured renders a driver under a configuration.
func configured(t *testing.T, d *v1alpha1.CSIDriverDeployment, text string) []corev1.PodSpec {
	t.Helper()
	f := facts()
	var err error
	if f.Configuration, err = ReadConfiguration([]byte(header + text)); err != nil {
		t.Fatal(err)
	}
	set, err := Render(d, f)
	if err != nil {
		t.Fatal(err)
	}
	var specs []corev1.PodSpec
	for _, p := range podTemplates(t, set) {
		specs = append(specs, p.Spec)
	}
	return specs
}

func imageOf(spec corev1.PodSpec, container string) string {
	at := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	if at < 0 {
		return ""
	}
	return spec.Containers[at].Image
}

// TestConfiguration: above the catalogue and below the spec.
func TestConfiguration(t *testing.T) {
	const newer = "sidecars: {attacher: {version: v4.13.0}}\n"
	const other = "sidecars: {attacher: {image: 'mirror.example.com/patched/attacher:cve', version: v4.12.1}}\n"
	cases := map[string]struct{ config, spec, want string }{
		"Version":            {newer, "", "registry.k8s.io/sig-storage/csi-attacher:v4.13.0"},
		"Image":              {other, "", "mirror.example.com/patched/attacher:cve"},
		"SpecsVersionWins":   {other, "  sidecars: {attacher: {version: v4.11.0}}", "registry.k8s.io/sig-storage/csi-attacher:v4.11.0"},
		"SpecsImageWins":     {other, "  sidecars: {attacher: {image: 'x.example.com/a:v4.9.0'}}", "x.example.com/a:v4.9.0"},
		"PartsVersionOfSpec": {other, "  sidecars: {attacher: {image: 'x.example.com/a:b'}}\n  controller: {sidecars: {attacher: {version: v4.9.0}}}", "x.example.com/a:b"},
		"Registry":           {newer + "images: {registry: 'm.example.com'}", "", "m.example.com/sig-storage/csi-attacher:v4.13.0"},
		"SpecsRegistryWins":  {"images: {registry: 'm.example.com'}", "  images: {registry: 'n.example.com'}", "n.example.com/sig-storage/csi-attacher:v4.12.0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := imageOf(configured(t, customOf(t, tc.spec), tc.config)[0], "csi-attacher"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestConfiguredVersionDecidesFlags as a version of the spec does.
func TestConfiguredVersionDecidesFlags(t *testing.T) {
	f := facts()
	var err error
	if f.Configuration, err = ReadConfiguration([]byte(header + "sidecars: {attacher: {version: v4.8.0}}")); err != nil {
		t.Fatal(err)
	}
	_, err = Render(customOf(t, "  sidecars: {attacher: {featureGates: {MutableCSINodeAllocatableCount: true}}}"), f)
	if err == nil || !strings.Contains(err.Error(), "csi-attacher v4.8.0 does not know it") {
		t.Errorf("error %v", err)
	}
}

// TestConfiguredPulling: secrets add up, policies do not, and the inspector is an image
// like others.
func TestConfiguredPulling(t *testing.T) {
	spec := configured(t, asked(t, "  images: {pullSecrets: [{name: b}, {name: c}]}"),
		"images: {pullPolicy: Always, pullSecrets: [{name: a}, {name: b}]}\ninspector: 'x.example.com/inspector:v1'")[0]
	want := []corev1.LocalObjectReference{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	if diff := cmp.Diff(want, spec.ImagePullSecrets); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got := imageOf(spec, "csi-inspector"); got != "x.example.com/inspector:v1" || spec.Containers[0].ImagePullPolicy != corev1.PullAlways {
		t.Errorf("inspector %q, policy %s", got, spec.Containers[0].ImagePullPolicy)
	}
}
