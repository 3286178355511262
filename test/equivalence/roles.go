// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"path"

	"github.com/distribution/reference"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// extra begins the role of a container that is neither driver nor sidecar.
const extra = "extra:"

// The roles of containers. Whatever has none of them is extra.
const (
	attacher      = "attacher"
	driver        = "driver"
	healthMonitor = "health-monitor"
	livenessProbe = "livenessprobe"
	provisioner   = "provisioner"
	registrar     = "registrar"
	resizer       = "resizer"
	snapshotter   = "snapshotter"
)

// roleOf finds the role of a container by the base name of its image.
func roleOf(base string) (role string, known bool) {
	role, known = map[string]string{
		"csi-attacher":                           attacher,
		"csi-external-health-monitor-controller": healthMonitor,
		"csi-node-driver-registrar":              registrar,
		"csi-provisioner":                        provisioner,
		"csi-resizer":                            resizer,
		"csi-snapshotter":                        snapshotter,
		"livenessprobe":                          livenessProbe,
	}[base]
	return role, known
}

// containerRole is the role of a container: the driver is known by its name,
// sidecars are known by their images.
func containerRole(f fields, name, image string) string {
	if name == v1alpha1.DriverContainer {
		return driver
	}
	role, known, err := roleOfImage(image)
	switch {
	case err != nil:
		f.found.fail("%s: has the image %q: %w", f.at, image, err)
	case known:
		return role
	}
	return extra + name
}

// roleOfImage finds the role of a container by its image.
func roleOfImage(image string) (role string, known bool, err error) {
	parsed, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", false, fmt.Errorf("reading the name of an image: %w", err)
	}
	role, known = roleOf(path.Base(reference.Path(parsed)))
	return role, known, nil
}
