// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/csi-operator/csi-operator/hack/internal/jsonfile"
)

// Records keeps in one folder which processes were started, one file each.
type Records struct{ dir string }

// NewRecords returns the records in dir, which need not exist yet.
func NewRecords(dir string) Records { return Records{dir: dir} }

// Write records that the process called name is p.
func (r Records) Write(name string, p Identity) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("recording process %q: %w", name, err)
	}
	if err := jsonfile.Write(r.path(name), p); err != nil {
		return fmt.Errorf("recording process %q: %w", name, err)
	}
	return nil
}

// Read returns the process called name and whether it is recorded and alive.
func (r Records) Read(name string) (p Identity, alive bool, err error) {
	content, err := os.ReadFile(r.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, false, nil
	}
	if err != nil {
		return Identity{}, false, fmt.Errorf("reading the record of process %q: %w", name, err)
	}
	if err := json.Unmarshal(content, &p); err != nil {
		return Identity{}, false, fmt.Errorf("reading the record of process %q: %w", name, err)
	}
	return p, p.Alive(), nil
}

// Forget removes the record of the process called name, if there is one.
func (r Records) Forget(name string) error {
	if err := os.Remove(r.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting process %q: %w", name, err)
	}
	return nil
}

func (r Records) path(name string) string { return filepath.Join(r.dir, name+".json") }
