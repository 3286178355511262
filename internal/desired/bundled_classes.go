// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fsTypeParameter is the one parameter that the bundled driver's classes take;
// csi-provisioner reads it and passes none on.
const fsTypeParameter = prefix + "fstype"

// fsTypes are the file systems that the bundled driver makes.
var fsTypes = [...]string{"ext4", "xfs"}

// mountOptions are what the bundled driver allows, as it lists them itself. It
// would refuse another one only when a pod is about to use the volume.
var mountOptions = [...]string{
	"async", "defaults", "dev", "dirsync", "discard", "exec", "lazytime", "noatime", "nodev", "nodiratime",
	"nodiscard", "noexec", "nosuid", "relatime", "ro", "rw", "strictatime", "suid", "sync",
}

// checkBundled refuses classes that the bundled driver cannot serve.
func (c *classes) checkBundled() error {
	for i, class := range c.storage {
		field := fmt.Sprintf("spec.storageClasses[%d]", i)
		if err := checkParameters(field+".parameters", class.Parameters); err != nil {
			return err
		}
		if err := checkMountOptions(field+".mountOptions", class.MountOptions); err != nil {
			return err
		}
	}
	switch {
	case len(c.snapshot) > 0:
		return unservable("spec.volumeSnapshotClasses")
	case len(c.group) > 0:
		return unservable("spec.volumeGroupSnapshotClasses")
	case len(c.attributes) > 0:
		return unservable("spec.volumeAttributesClasses")
	}
	return nil
}

func unservable(field string) error {
	return invalid(field, "cannot be served: the bundled driver does not report the capability; leave it out")
}

func checkParameters(field string, parameters map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		at := fmt.Sprintf("%s[%s]", field, key)
		if key != fsTypeParameter {
			return invalid(at, "is not known to the bundled driver; it takes %s (ext4 or xfs)", fsTypeParameter)
		}
		if value := parameters[key]; !slices.Contains(fsTypes[:], value) {
			return invalid(at, "%q is not a file system that the bundled driver makes; use ext4 or xfs", value)
		}
	}
	return nil
}

func checkMountOptions(field string, options []string) error {
	for i, option := range options {
		if !slices.Contains(mountOptions[:], option) {
			return invalid(fmt.Sprintf("%s[%d]", field, i), "%q is not allowed by the bundled driver; use %s",
				option, strings.Join(mountOptions[:], ", "))
		}
	}
	return nil
}
