// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	imageref "github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// ConfigurationKind and ConfigurationVersion are of the operator's configuration file.
const (
	ConfigurationKind    = "OperatorConfiguration"
	ConfigurationVersion = "config.csi-operator.io/v1alpha1"
)

// Configuration is what an administrator says for all drivers: it stands above the
// catalogue, and what a CSIDriverDeployment says stands above it.
type Configuration struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Images say where all images come from. A registry and a pull policy of a spec win;
	// pull secrets are added to those of a spec.
	Images v1alpha1.ImagesSpec `json:"images,omitzero"`
	// Sidecars override the catalogue, by role as in spec.sidecars.
	Sidecars map[sidecar.Role]SidecarImage `json:"sidecars,omitempty"`
	// Inspector is the image of csi-inspector.
	Inspector string `json:"inspector,omitempty"`
}

// SidecarImage is which image of a sidecar runs: another release of the catalogue's, or
// another image, of a version if its tag does not tell.
type SidecarImage struct {
	Image   string `json:"image,omitempty"`
	Version string `json:"version,omitempty"`
}

// ReadConfiguration reads a configuration file strictly. Its error is a sentence with the
// field that is wrong.
func ReadConfiguration(text []byte) (Configuration, error) {
	var c Configuration
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return c, fmt.Errorf("not YAML: %w", err)
	}
	strict, err := kjson.UnmarshalStrict(raw, &c)
	if err == nil && len(strict) > 0 {
		err = strict[0]
	}
	if err != nil {
		return Configuration{}, fmt.Errorf("no %s: %w", ConfigurationKind, err)
	}
	return c, c.check()
}

func (c Configuration) check() error {
	if c.APIVersion != ConfigurationVersion || c.Kind != ConfigurationKind {
		return fmt.Errorf("kind %s of %s is not %s of %s", c.Kind, c.APIVersion, ConfigurationKind, ConfigurationVersion)
	}
	known := map[sidecar.Role]bool{}
	for _, s := range sidecar.Catalogue() {
		known[s.Role] = true
	}
	for _, role := range slices.Sorted(maps.Keys(c.Sidecars)) {
		if !known[role] {
			names := slices.Sorted(maps.Keys(known))
			return fmt.Errorf("sidecars.%s: is no sidecar; use one of %v", role, names)
		}
		s := c.Sidecars[role]
		if err := checkImage("sidecars."+string(role)+".image", s.Image); err != nil {
			return err
		}
		if s.Version != "" && (sidecar.ReleaseOf(s.Version) == "" || s.Version[0] != 'v' || strings.Contains(s.Version, "+")) {
			return fmt.Errorf("sidecars.%s.version: %q is no release; write it as v1.2.3", role, s.Version)
		}
	}
	policies := []corev1.PullPolicy{"", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}
	if !slices.Contains(policies, c.Images.PullPolicy) {
		return fmt.Errorf("images.pullPolicy: %q is none of %v", c.Images.PullPolicy, policies[1:])
	}
	if err := checkImage("inspector", c.Inspector); err != nil {
		return err
	}
	if _, err := (images{registry: c.Images.Registry}).moved(sidecar.InspectorImage); err != nil {
		return fmt.Errorf("images.registry: %s", strings.TrimPrefix(err.Error(), "spec.images.registry: "))
	}
	return nil
}

func checkImage(field, image string) error {
	if image == "" {
		return nil
	}
	if _, err := imageref.ParseNormalizedNamed(image); err != nil {
		return fmt.Errorf("%s: %q is no name of an image: %w", field, image, err)
	}
	return nil
}
