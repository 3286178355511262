// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	imageref "github.com/distribution/reference"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// sidecarImage is which image of a sidecar runs.
type sidecarImage struct {
	name string
	// version is empty where nobody knows it.
	version string
	// field is where the spec names the image; empty where it does not.
	field string
}

// imageOf decides which image of a sidecar runs, and which version that is: what the spec
// says, else the operator's configuration, else the catalogue. The tag tells the version of
// an image of which nobody says it.
func (in *inputs) imageOf(s sidecar.Sidecar, sources []source) (sidecarImage, error) {
	shared := in.config.Sidecars[s.Role]
	i := sidecarImage{name: shared.Image, version: shared.Version}
	for _, from := range sources {
		if from.spec.Image != "" { // another image has another version
			i = sidecarImage{name: from.spec.Image, field: from.of(s.Role) + ".image"}
		}
		if from.spec.Version != "" && i.field == "" { // of the catalogue's image, whatever the operator's configuration says
			i.name = ""
		}
		i.version = cmp.Or(from.spec.Version, i.version)
	}
	if i.name == "" {
		i.version = cmp.Or(i.version, s.VersionFor(in.kubernetes))
		i.name = s.Repository + ":" + i.version
		return i, nil
	}
	named, err := imageref.ParseNormalizedNamed(i.name)
	if err != nil {
		return i, invalid(i.field, "%q is no name of an image: %v", i.name, err)
	}
	if tagged, ok := named.(imageref.Tagged); ok {
		i.version = cmp.Or(i.version, sidecar.ReleaseOf(tagged.Tag()))
	}
	return i, nil
}

// warn tells, once, of a sidecar whose version the catalogue does not know.
func (in *inputs) warn(i sidecarImage, s sidecar.Sidecar) {
	known, oldest, newest := s.Known()
	if known {
		return
	}
	text := fmt.Sprintf("%s %s, since only %s to %s are known", s.Name, s.Version, oldest, newest)
	if s.Version == "" {
		text = fmt.Sprintf("%s, since the image %s tells no version: give it in %s", s.Name, i.name, i.versionField(s.Role))
	}
	if !slices.Contains(in.warnings, text) {
		in.warnings = append(in.warnings, text)
	}
}

// versionField is where the version of a named image can be said.
func (i sidecarImage) versionField(role sidecar.Role) string {
	if i.field == "" {
		return "sidecars." + string(role) + ".version of the operator's configuration"
	}
	return strings.TrimSuffix(i.field, ".image") + ".version"
}
