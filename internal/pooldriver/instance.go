// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	instanceFile = "instance"
	// tokenPrefix starts the tokens of all nodes.
	tokenPrefix = "csi-pool-"
)

var instancePattern = regexp.MustCompile(`^[a-z2-7]{26}$`)

// loadInstance returns what tells this machine from others of its name: a replaced
// virtual machine, or a node of another cluster on the same export. It is made
// once, and lives as long as the node's records.
func loadInstance(dir string) (string, error) {
	path := filepath.Join(dir, instanceFile)
	instance, err := readInstance(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeInstance(dir, path); err == nil {
			instance, err = readInstance(path)
		}
	}
	if err != nil {
		return "", fmt.Errorf("identifying this node: %w", err)
	}
	// The process that made it may have died before its sync.
	return instance, records{dir: dir}.sync()
}

func readInstance(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	instance := strings.TrimSuffix(string(content), "\n")
	if !instancePattern.MatchString(instance) {
		return "", fmt.Errorf("%q is damaged; put it back from a backup, or make sure that no volume is staged on this node and remove it", path)
	}
	return instance, nil
}

// makeInstance lets one of several processes win.
func makeInstance(dir, path string) error {
	f, err := os.CreateTemp(dir, instanceFile+"-*.tmp")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(strings.ToLower(rand.Text()) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// token returns what nobody else has put on a loop device.
func (n *node) token() string { return n.ownTokens() + strings.ToLower(rand.Text()) }

// ownTokens is how the tokens of this node, and of no other, start.
func (n *node) ownTokens() string { return tokenPrefix + n.instance + "-" }
