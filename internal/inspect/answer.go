// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inspect asks a CSI driver over its socket what it is and what it can do.
// Whatever the driver says is taken as hostile: its size and its number are bounded.
package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

const (
	// MaxSize is what an encoded answer takes at most, in bytes.
	MaxSize = 4096
	// MaxKey is what a key may take, in bytes: an answer without capabilities always
	// fits into MaxSize.
	MaxKey = 128
	// maxName is the limit of CSI.
	maxName = 63
	// maxVersion is the limit of CSI for a string.
	maxVersion = 128
)

// Answer is what a driver says of itself.
type Answer struct {
	// Key is the operator's; it tells of which configuration of the driver this is.
	Key string `json:"key"`
	// Driver and Version are the driver's own; empty where they cannot be used.
	Driver  string `json:"driver,omitempty"`
	Version string `json:"version,omitempty"`
	// Capabilities are sorted and unique: <Service>/<NAME>.
	Capabilities []string `json:"capabilities,omitempty"`
	// Problem is a sentence that says why there is no answer, or what it lacks.
	Problem string `json:"problem,omitempty"`
}

// Encode returns the answer as JSON of at most MaxSize bytes.
func (a Answer) Encode() ([]byte, error) {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false) // which would make six bytes of one
	if err := encoder.Encode(a); err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return bytes.TrimSuffix(encoded.Bytes(), []byte("\n")), nil
}

func (a Answer) equal(b Answer) bool {
	return a.Key == b.Key && a.Driver == b.Driver && a.Version == b.Version && a.Problem == b.Problem &&
		slices.Equal(a.Capabilities, b.Capabilities)
}

// statement is what a driver said, as it said it.
type statement struct {
	name, version string
	capabilities  capabilities
}

// answer keeps what can be used, and names what cannot.
func (s statement) answer(key string) Answer {
	answer := Answer{Key: key, Capabilities: s.capabilities.list()}
	var name, version string
	answer.Driver, name = usable("name", s.name, maxName)
	answer.Version, version = usable("version", s.version, maxVersion)
	answer.Problem = complain(name, version)
	if encoded, err := answer.Encode(); err != nil || len(encoded) > MaxSize {
		answer.Capabilities = nil
		answer.Problem = complain(name, version, fmt.Sprintf("more capabilities than the %d bytes of an answer hold", MaxSize))
	}
	return answer
}

// usable returns the value, or nothing and what is wrong with it.
func usable(what, value string, limit int) (used, flaw string) {
	switch {
	case strings.TrimSpace(value) == "":
		return "", "no " + what
	case len(value) > limit:
		return "", fmt.Sprintf("a %s of %d bytes where CSI allows %d", what, len(value), limit)
	case strings.ContainsFunc(value, unprintable):
		return "", fmt.Sprintf("a %s that cannot be printed", what)
	default:
		return value, ""
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// complain makes a problem of all flaws; of none, none.
func complain(flaws ...string) string {
	flaws = slices.DeleteFunc(flaws, func(flaw string) bool { return flaw == "" })
	if len(flaws) == 0 {
		return ""
	}
	return sentence("the driver reports " + strings.Join(flaws, " and "))
}
