// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The layout; docs/pool-format.md explains it.
const (
	identityFile = "pool.json"
	namesDir     = "names"
	volumesDir   = "volumes"
	nodesDir     = "nodes"
	tmpDir       = "tmp"

	statePrefix = "state."
	imagePrefix = "image."
	trashPrefix = "volume-"
)

const (
	maxNodeName   = 253
	maxVolumeName = 1024
	maxFileName   = 255
	recordSuffix  = ".json"
)

var (
	validID    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	validNode  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	generation = regexp.MustCompile(`^[1-9][0-9]{0,17}$`) // fits an int64, and the next one does too
)

// checkID is the gate before any path is built from an id.
func checkID(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("volume id %q: want 1 to 63 of a-z, 0-9 and -, not starting with -: %w", shorten(id), ErrInvalidID)
	}
	return nil
}

// checkNode is the gate before any path is built from a node name.
func checkNode(node string) error {
	if len(node) > maxNodeName || !validNode.MatchString(node) {
		return fmt.Errorf("node name %q: want a DNS subdomain of at most %d characters: %w", shorten(node), maxNodeName, ErrInvalidID)
	}
	return nil
}

// checkHolder is checkNode also for the instance, which comes from a file on
// the node.
func checkHolder(node, instance string) error {
	if err := checkNode(node); err != nil {
		return err
	}
	if !validID.MatchString(instance) {
		return fmt.Errorf("instance %q of node %q: want 1 to 63 of a-z, 0-9 and -, not starting with -: %w", shorten(instance), node, ErrInvalidID)
	}
	return nil
}

func checkVolumeName(name string) error {
	if name == "" || len(name) > maxVolumeName || !utf8.ValidString(name) {
		return fmt.Errorf("volume name %q: want 1 to %d bytes of UTF-8: %w", shorten(name), maxVolumeName, ErrInvalidRequest)
	}
	return nil
}

// shorten keeps hostile input from filling an error message.
func shorten(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}

func claimFile(name string) string { return namesDir + "/" + digest(name) }

// nodeFile is <node>.json; a name too long for that is replaced by its digest.
func nodeFile(node string) string {
	if len(node)+len(recordSuffix) > maxFileName {
		node = digest(node)
	}
	return nodesDir + "/" + node + recordSuffix
}

func volumeDir(id string) string { return volumesDir + "/" + id }

func stateFile(id string, generation int64) string {
	return volumeDir(id) + "/" + statePrefix + strconv.FormatInt(generation, 10)
}

func imageFile(id string, generation int64) string {
	return volumeDir(id) + "/" + imagePrefix + strconv.FormatInt(generation, 10)
}

// trashDir is where a volume's directory goes to be emptied.
func trashDir(id string) string { return tmpDir + "/" + trashPrefix + id }

// temporary is a new name in tmp/; kind tells an administrator what it was.
func temporary(kind string) string { return tmpDir + "/" + kind + "-" + newUUID() }

// parseGeneration returns N of prefix+N, or false for any other file.
func parseGeneration(prefix, file string) (int64, bool) {
	digits, ok := strings.CutPrefix(file, prefix)
	if !ok || !generation.MatchString(digits) {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
