// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"path/filepath"
	"strings"
	"unicode"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// maxString is the longest string field, in bytes, of the CSI specification.
const maxString = 128

// checkVolumeID refuses what can be nobody's id. An id that passes may still be
// unknown.
func checkVolumeID(id string) error {
	switch {
	case id == "":
		return invalid("volume_id is missing")
	case len(id) > maxString:
		return invalid("volume_id is longer than %d bytes", maxString)
	case strings.Contains(id, "/"), strings.Contains(id, ".."), strings.ContainsFunc(id, unicode.IsControl):
		return invalid("volume_id %q contains a slash, two dots or a control character", id)
	}
	return nil
}

// checkNodeID is checkVolumeID for node names, which may be longer.
func checkNodeID(id string) error {
	if id == "" {
		return invalid("node_id is missing")
	}
	if len(id) > maxNodeName || strings.Contains(id, "/") || strings.Contains(id, "..") || strings.ContainsFunc(id, unicode.IsControl) {
		return invalid("node_id %q is not the name of a node", id)
	}
	return nil
}

// checkName refuses the volume names that the CSI specification forbids.
func checkName(name string) error {
	switch {
	case name == "":
		return invalid("name is missing")
	case len(name) > maxString:
		return invalid("name is longer than %d bytes", maxString)
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalid("name %q contains a control character", name)
	}
	return nil
}

// checkPath refuses what no orchestrator sends: relative paths, and paths that
// mean something else than they say.
func checkPath(field, path string) error {
	switch {
	case path == "":
		return invalid("%s is missing", field)
	case !filepath.IsAbs(path), filepath.Clean(path) != path, path == "/", strings.ContainsRune(path, 0):
		return invalid("%s %q is not an absolute, clean path other than /", field, path)
	}
	return nil
}

// checkRange refuses sizes that contradict themselves; a nil range is none.
func checkRange(r *csi.CapacityRange) error {
	required, limit := r.GetRequiredBytes(), r.GetLimitBytes()
	switch {
	case required < 0:
		return invalid("capacity_range.required_bytes is negative: %d", required)
	case limit < 0:
		return invalid("capacity_range.limit_bytes is negative: %d", limit)
	case limit > 0 && limit < required:
		return invalid("capacity_range.limit_bytes %d is below required_bytes %d", limit, required)
	}
	return nil
}

// first returns the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
