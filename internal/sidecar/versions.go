// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/version"
)

// pins are the versions of a sidecar that the end-to-end tests of Kubernetes run with, by
// its minor release 1.x: test/e2e/testing-manifests/storage-csi/hostpath/hostpath of
// k8s.io/kubernetes v1.34.3, v1.35.2, v1.36.2 and v1.37.2.
type pins map[int]string

// VersionFor is the version that runs by default on Kubernetes 1.minor. An older
// Kubernetes than those of the table has the oldest version, a newer one the newest, and
// one of which nothing is known, which is 0, that too.
func (s Sidecar) VersionFor(minor int) string {
	minors := slices.Sorted(maps.Keys(s.versions))
	if minor == 0 {
		return s.versions[minors[len(minors)-1]]
	}
	return s.versions[min(max(minor, minors[0]), minors[len(minors)-1])]
}

// At is the sidecar as a version has it; as the newest has it where nobody knows the
// version, which is empty then.
func (s Sidecar) At(version string) Sidecar {
	s.Version = version
	if s.adapt != nil {
		s.adapt(&s)
	}
	return s
}

// before tells whether a version is known and older than a release.
func before(tag, release string) bool {
	v, ok := parseRelease(tag)
	return ok && v.LessThan(version.MustParseSemantic(release))
}

// Known tells whether the flags and the feature gates of the sidecar's version are known,
// and of which versions they are.
func (s Sidecar) Known() (known bool, oldest, newest string) {
	return s.releases.knows(s.Version), s.releases.oldest, s.releases.newest
}
