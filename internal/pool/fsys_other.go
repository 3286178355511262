// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package pool

import (
	"errors"
	"fmt"
)

// openDirectory refuses: pools are read and written on Linux only.
func openDirectory(path string) (fsys, error) {
	return nil, fmt.Errorf("opening pool %q: %w", path, errors.ErrUnsupported)
}
