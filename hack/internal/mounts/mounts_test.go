// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mounts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	cases := map[string]struct {
		table string
		want  []Mount
		bad   bool
	}{
		"Shared": {
			table: "220 100 7:0 / /var/lib/kubelet/m rw,relatime shared:86 - ext4 /dev/loop0 rw\n",
			want:  []Mount{{Root: "/", Point: "/var/lib/kubelet/m", FSType: "ext4", Source: "/dev/loop0", Options: []string{"rw"}}},
		},
		"NoOptionalField": {
			table: "220 100 0:6 /loop1 /n/dev rw - devtmpfs udev rw,size=1k\n",
			want: []Mount{{
				Root: "/loop1", Point: "/n/dev", FSType: "devtmpfs", Source: "udev", Options: []string{"rw", "size=1k"},
			}},
		},
		"Space": {
			table: "1 2 3:4 / /a\\040b\\134c rw master:1 propagate_from:2 - ext4 /dev/x rw\n",
			want:  []Mount{{Root: "/", Point: `/a b\c`, FSType: "ext4", Source: "/dev/x", Options: []string{"rw"}}},
		},
		"Empty":       {},
		"NoSeparator": {table: "1 2 3:4 / /a rw shared:1 ext4 /dev/x rw\n", bad: true},
		"TooShort":    {table: "1 2 3:4 / /a rw - ext4\n", bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tc.table)
			if (err != nil) != tc.bad {
				t.Fatalf("error %v, wanted one: %t", err, tc.bad)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestBelow(t *testing.T) {
	all := []Mount{{Point: "/"}, {Point: "/a"}, {Point: "/a/b"}, {Point: "/ab"}}
	want := []Mount{{Point: "/a"}, {Point: "/a/b"}}
	if diff := cmp.Diff(want, Below(all, "/a")); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
