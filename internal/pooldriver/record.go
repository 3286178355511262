// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// recordVersion is the format of the records; it grows when old ones cannot be
// understood any more.
const recordVersion = 1

// record is what a node remembers of a volume that it has, or may have, attached.
// It is written before the loop device is bound, so that no crash leaves a device
// that nobody knows. It survives a reboot, the device does not: only a device
// that carries Token is the volume's.
type record struct {
	Version  int    `json:"formatVersion"`
	VolumeID string `json:"volumeID"`
	Loop     int    `json:"loop"` // number of the device
	Token    string `json:"token"`
	Image    string `json:"image"`
	Inode    uint64 `json:"inode"`
	Device   uint64 `json:"device"` // of the file system that holds the image
	Staging  string `json:"stagingPath"`
	Block    bool   `json:"block"`
	FSType   string `json:"fsType,omitempty"`
	ReadOnly bool   `json:"readOnly"`
	// Options are the mount options asked for; they decide whether a second
	// NodeStageVolume wants the same.
	Options []string `json:"options,omitempty"`
	// Formatting stands while mkfs runs on an image that was blank. What an
	// interrupted mkfs left may be wiped; nothing else ever is.
	Formatting bool `json:"formatting,omitempty"`
	// Growing stands while a file system that was found whole grows unmounted.
	// Whatever is wrong with it then comes from an interrupted growth, and is
	// repaired without asking.
	Growing bool `json:"growing,omitempty"`
}

// holds tells whether a binding is the one that this record was written for.
func (r *record) holds(b *mount.Binding) bool {
	return b != nil && b.Token == r.Token && b.Inode == r.Inode && b.Device == r.Device
}

// records are the files of one node, <volume id>.json.
type records struct{ dir string }

// path is a file in the directory for what parseVolumeID accepts.
func (s records) path(id string) string { return filepath.Join(s.dir, id+".json") }

// load returns nil if there is no record. A damaged one is an error: without it
// nobody knows whether the volume is attached.
func (s records) load(id string) (*record, error) {
	if _, _, ok := parseVolumeID(id); !ok {
		return nil, nil
	}
	path := s.path(id)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the record of volume %q: %w", id, err)
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil || r.VolumeID != id || r.Token == "" {
		return nil, precondition("the record %q of volume %q is damaged; make sure that no loop device of this node uses the volume's image and remove the file", path, id)
	}
	if r.Version != recordVersion {
		return nil, precondition("the record %q of volume %q has format %d, this driver knows %d; run the driver that wrote it until the volume is unstaged", path, id, r.Version, recordVersion)
	}
	return &r, nil
}

// save replaces the record durably, or leaves it as it was.
func (s records) save(r *record) error {
	r.Version = recordVersion
	content, err := json.Marshal(r)
	if err == nil {
		err = s.replace(r.VolumeID, content)
	}
	if err != nil {
		return fmt.Errorf("writing the record of volume %q: %w", r.VolumeID, err)
	}
	return nil
}

func (s records) replace(id string, content []byte) error {
	if _, _, ok := parseVolumeID(id); !ok {
		return fmt.Errorf("volume id %q is no file name", id)
	}
	temporary := s.path(id) + ".tmp"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(content).WriteTo(f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, s.path(id)); err != nil {
		return err
	}
	return s.sync()
}

// remove forgets a volume durably; no record is no error.
func (s records) remove(id string) error {
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the record of volume %q: %w", id, err)
	}
	if err := s.sync(); err != nil {
		return fmt.Errorf("removing the record of volume %q: %w", id, err)
	}
	return nil
}

func (s records) sync() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
