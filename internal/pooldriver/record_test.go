// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// TestRecordHolds trusts a device only if all that identifies it is right.
func TestRecordHolds(t *testing.T) {
	rec := &record{Token: "t", Inode: 1, Device: 2}
	for name, test := range map[string]struct {
		binding *mount.Binding
		want    bool
	}{
		"Ours":        {&mount.Binding{Token: "t", Inode: 1, Device: 2, Direct: true}, true},
		"Unbound":     {nil, false},
		"OtherToken":  {&mount.Binding{Token: "u", Inode: 1, Device: 2}, false},
		"OtherImage":  {&mount.Binding{Token: "t", Inode: 3, Device: 2}, false},
		"OtherDevice": {&mount.Binding{Token: "t", Inode: 1, Device: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rec.holds(test.binding); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	s := records{dir: t.TempDir()}
	const id = "0b1c2d3e-0000-4000-8000-0123456789ab.volume"
	want := &record{
		VolumeID: id, Loop: 7, Token: "t", Image: "/pool/image", Inode: 1 << 63, Device: 3, Staging: "/staging",
		FSType: "ext4", ReadOnly: true, Options: []string{"noatime"}, Formatting: true, Growing: true,
	}
	for range 2 {
		must(t, s.save(want))
	}
	got, err := s.load(id)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for range 2 {
		must(t, s.remove(id))
	}
	if got, err := s.load(id); err != nil || got != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRecordsStayInside makes and reads nothing outside of the directory.
func TestRecordsStayInside(t *testing.T) {
	dir := t.TempDir()
	s := records{dir: filepath.Join(dir, "state")}
	must(t, os.Mkdir(s.dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "outside.json"), []byte(`{"formatVersion":1,"volumeID":"../outside","token":"t"}`), 0o600))
	for _, id := range []string{"../outside", "..", "", "a/b", "UPPER", "volume", "pool.volume", "0b1c2d3e-0000-4000-8000-0123456789ab./outside"} {
		if got, err := s.load(id); err != nil || got != nil {
			t.Errorf("loading %q gave %+v, %v", id, got, err)
		}
		if err := s.save(&record{VolumeID: id, Token: "t"}); err == nil {
			t.Errorf("saved %q", id)
		}
	}
	entries, err := os.ReadDir(s.dir)
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("made %v", entries)
	}
}
