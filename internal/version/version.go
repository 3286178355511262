// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package version holds the release that every binary and every image of this
// project carries.
package version

// Version is the semantic version of this build, without a leading "v". The
// images of a release are tagged "v" + Version. Release builds set it with
// -ldflags "-X github.com/csi-operator/csi-operator/internal/version.Version=…".
var Version = "0.1.0"
