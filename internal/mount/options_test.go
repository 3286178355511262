// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOptions(t *testing.T) {
	type parsed struct {
		Flags uintptr
		Data  string
	}
	for name, test := range map[string]struct {
		options  []string
		want     parsed
		readOnly bool
	}{
		"None":       {nil, parsed{}, false},
		"Flags":      {[]string{"noatime", "nosuid", "nodev", "noexec", "sync"}, parsed{Flags: 1<<10 | 1<<1 | 1<<2 | 1<<3 | 1<<4}, false},
		"Data":       {[]string{"discard", "lazytime"}, parsed{Flags: 1 << 25, Data: "discard"}, false},
		"LastWins":   {[]string{"noatime", "relatime", "ro", "rw"}, parsed{Flags: 1 << 21}, false},
		"ReadOnly":   {[]string{"rw", "ro"}, parsed{Flags: 1}, true},
		"Taken back": {[]string{"noexec", "exec", "sync", "async", "defaults"}, parsed{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			flags, data, err := parseOptions(test.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, parsed{flags, data}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := ReadOnly(test.options); got != test.readOnly {
				t.Errorf("read-only %t, want %t", got, test.readOnly)
			}
		})
	}
}

func TestCheckOptionsRefuses(t *testing.T) {
	for _, option := range []string{"", "bind", "remount", "loop", "uid=0", "errors=continue", "noatime,ro", "data=journal", "RO", "context=x", "move"} {
		if err := CheckOptions([]string{"noatime", option}); !errors.Is(err, ErrOption) {
			t.Errorf("option %q gave %v, want %v", option, err, ErrOption)
		}
	}
}
