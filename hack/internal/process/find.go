// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// Marker is the environment variable that every process of a cluster carries;
// its value is the cluster's state folder. It finds processes whose record a
// crash has prevented from being written.
const Marker = "CSI_OPERATOR_CLUSTER"

// Marked returns the living processes that carry the marker with this value.
func Marked(value string) ([]Identity, error) {
	want := []byte(Marker + "=" + value)
	return find(func(pid int) (bool, error) {
		environment, err := os.ReadFile(procFile(pid, "environ"))
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(variable []byte) bool {
			return bytes.Equal(variable, want)
		}), nil
	})
}

// SameNamespace returns the living processes whose process namespace is that of
// the given one, itself included.
func SameNamespace(as Identity) ([]Identity, error) {
	want, err := os.Readlink(procFile(as.PID, "ns/pid"))
	if err != nil {
		return nil, fmt.Errorf("reading the namespace of process %d: %w", as.PID, err)
	}
	return find(func(pid int) (bool, error) {
		have, err := os.Readlink(procFile(pid, "ns/pid"))
		return have == want, err
	})
}

// find returns the living processes that match. One that ends meanwhile, or
// that the kernel does not let us look at, does not match.
func find(matches func(pid int) (bool, error)) ([]Identity, error) {
	ids, err := all()
	if err != nil {
		return nil, err
	}
	var found []Identity
	for _, pid := range ids {
		identity, err := Of(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if match, err := matches(pid); err == nil && match && identity.Alive() {
			found = append(found, identity)
		}
	}
	return found, nil
}
