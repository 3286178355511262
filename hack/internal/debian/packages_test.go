// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put makes a file with these rights in dir and returns its path.
func put(t *testing.T, dir, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, nil, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPresent(t *testing.T) {
	first, second, elsewhere := t.TempDir(), t.TempDir(), t.TempDir()
	put(t, first, "tool", 0o755)
	put(t, second, "other", 0o755)
	put(t, second, "text", 0o644)
	put(t, elsewhere, "hidden", 0o755)
	plugin := put(t, elsewhere, "bridge", 0o644)
	t.Setenv("PATH", first+":"+second)
	for file, want := range map[string]bool{
		"tool":                              true,
		"other":                             true,
		"text":                              false, // it cannot be run
		"hidden":                            false,
		plugin:                              true,
		filepath.Join(elsewhere, "absent"):  false,
		filepath.Join(first, "tool", "sub"): false,
	} {
		if got := present(file); got != want {
			t.Errorf("%s is present: %t, want %t", file, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	bin := t.TempDir()
	put(t, bin, "ip", 0o755)
	plugin := put(t, bin, "bridge", 0o644)
	t.Setenv("PATH", bin)
	cases := map[string]struct {
		required []requirement
		want     []string
	}{
		"Nothing":  {},
		"AllThere": {required: []requirement{{"ip", "iproute2"}, {plugin, "plugins"}}},
		"Sorted": {
			required: []requirement{{"runc", "runc"}, {"ip", "iproute2"}, {"mount", "mount"}},
			want:     []string{"mount", "runc"},
		},
		"TwoFilesOfOnePackage": {
			required: []requirement{{"blkid", "util-linux"}, {"losetup", "util-linux"}}, want: []string{"util-linux"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, missing(tc.required)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestMissingLooksForEveryCommand(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := Missing()
	for _, r := range requirements() {
		if !filepath.IsAbs(r.file) && !slices.Contains(got, r.pkg) {
			t.Errorf("%s is not told as missing, though no command is in PATH", r.pkg)
		}
	}
}
