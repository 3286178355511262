// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// formatVersion is in every record. A release reads its own and older versions
// and refuses newer ones.
const formatVersion = 1

// identity is pool.json.
type identity struct {
	FormatVersion int        `json:"formatVersion"`
	UUID          string     `json:"uuid"`
	Driver        string     `json:"driver"`
	CreatedAt     time.Time  `json:"createdAt"`
	Extensions    extensions `json:"extensions,omitempty"`
}

// claim is names/<digest>: the volume that a name belongs to.
type claim struct {
	FormatVersion int    `json:"formatVersion"`
	Name          string `json:"name"`
	ID            string `json:"id"`
}

// nodeRecord is nodes/<node>.json.
type nodeRecord struct {
	FormatVersion int    `json:"formatVersion"`
	Node          string `json:"node"`
	// Instance is random, and another one after the node was replaced by a
	// machine of the same name.
	Instance   string     `json:"instance"`
	Extensions extensions `json:"extensions,omitempty"`
}

// extensions are what later releases may add to a record without a new format
// version. This release carries them along and never looks into them.
type extensions map[string]json.RawMessage

// encode writes a record for people to read, or without white space if it were
// too large to be read again.
func encode(record any) ([]byte, error) {
	var size int
	for _, indent := range []string{"  ", ""} {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false) // extensions stay as they are
		encoder.SetIndent("", indent)
		if err := encoder.Encode(record); err != nil {
			return nil, fmt.Errorf("encoding a pool record: %w", err)
		}
		if size = b.Len(); size <= maxRecordBytes {
			return b.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("encoding a pool record: %d bytes with its extensions, at most %d: %w", size, maxRecordBytes, ErrCorrupt)
}

// readRecord reads a JSON file into record. A field that this release does not
// know is an error, because it would be lost at the next change.
func readRecord(f fsys, name string, record any) error {
	data, err := f.ReadFile(name)
	if err != nil {
		return err
	}
	var header struct {
		FormatVersion int `json:"formatVersion"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return damaged(name, err.Error())
	}
	if header.FormatVersion > formatVersion {
		return fmt.Errorf("reading %q: format version %d, this release knows %d; use the release that wrote it: %w",
			name, header.FormatVersion, formatVersion, ErrFormat)
	}
	if header.FormatVersion < 1 {
		return damaged(name, "no formatVersion")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(record); err != nil {
		return damaged(name, err.Error())
	}
	return nil
}

// damaged says which file to look at.
func damaged(name, reason string) error {
	return fmt.Errorf("reading %q: %s; restore it from a backup: %w", name, reason, ErrCorrupt)
}
