// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// option is what one mount option means to mount(2).
type option struct {
	set, clear uintptr // mount flags
	data       bool    // passed to the file system as text
}

// Flags of mount(2), the same on every Linux architecture.
const (
	flagReadOnly    = 1 << 0
	flagNoSUID      = 1 << 1
	flagNoDev       = 1 << 2
	flagNoExec      = 1 << 3
	flagSync        = 1 << 4
	flagDirSync     = 1 << 7
	flagNoAtime     = 1 << 10
	flagNoDirAtime  = 1 << 11
	flagRelatime    = 1 << 21
	flagStrictAtime = 1 << 24
	flagLazyTime    = 1 << 25
)

// allowed are all mount options that a storage class or a pod may ask for.
func allowed() map[string]option {
	return map[string]option{
		"defaults":    {},
		"ro":          {set: flagReadOnly},
		"rw":          {clear: flagReadOnly},
		"nosuid":      {set: flagNoSUID},
		"suid":        {clear: flagNoSUID},
		"nodev":       {set: flagNoDev},
		"dev":         {clear: flagNoDev},
		"noexec":      {set: flagNoExec},
		"exec":        {clear: flagNoExec},
		"sync":        {set: flagSync},
		"async":       {clear: flagSync},
		"dirsync":     {set: flagDirSync},
		"noatime":     {set: flagNoAtime, clear: flagRelatime | flagStrictAtime},
		"nodiratime":  {set: flagNoDirAtime},
		"relatime":    {set: flagRelatime, clear: flagNoAtime | flagStrictAtime},
		"strictatime": {set: flagStrictAtime, clear: flagNoAtime | flagRelatime},
		"lazytime":    {set: flagLazyTime},
		"discard":     {data: true},
		"nodiscard":   {data: true},
	}
}

// CheckOptions returns ErrOption, with the option's name, unless every option is
// one that the file systems here understand and that harms nobody.
func CheckOptions(options []string) error {
	_, _, err := parseOptions(options)
	return err
}

// ReadOnly tells whether the options ask for a read-only mount; the last one of
// ro and rw decides.
func ReadOnly(options []string) bool {
	readOnly := false
	for _, o := range options {
		switch o {
		case "ro":
			readOnly = true
		case "rw":
			readOnly = false
		}
	}
	return readOnly
}

// parseOptions returns what mount(2) wants: flags, and text for the file system.
func parseOptions(options []string) (flags uintptr, data string, err error) {
	known := allowed()
	var text []string
	for _, name := range options {
		o, ok := known[name]
		if !ok {
			return 0, "", fmt.Errorf("%w: %q; the allowed ones are %s", ErrOption, name,
				strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		flags = flags&^o.clear | o.set
		if o.data {
			text = append(text, name)
		}
	}
	return flags, strings.Join(text, ","), nil
}
