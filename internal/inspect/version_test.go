// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/version.txt anew, if Version is newer than it")

const versionFile = "testdata/version.txt"

// record ties a version to what went into the binary.
type record struct{ version, hash string }

// TestVersionIsNewWhenInputsChange: an image of one version is never made of two
// sources. After a change, raise Version and run
//
//	go test ./internal/inspect -update
func TestVersionIsNewWhenInputsChange(t *testing.T) {
	current := record{Version, hashSources(t, "../../cmd/csi-inspector", ".")}
	recorded := readRecord(t)
	if *update {
		if err := mayReplace(recorded, current); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(versionFile, []byte(current.version+" "+current.hash+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := check(recorded, current); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		recorded, current record
		want              string // a part of the error; empty: none
	}{
		"Unchanged":              {record{"v0.1.0", "a"}, record{"v0.1.0", "a"}, ""},
		"ChangedInOneVersion":    {record{"v0.1.0", "a"}, record{"v0.1.0", "b"}, "raise Version and run `go test ./internal/inspect -update`"},
		"RaisedButNotRecorded":   {record{"v0.1.0", "a"}, record{"v0.2.0", "b"}, "run `go test ./internal/inspect -update`"},
		"NotRecordedAtAll":       {record{}, record{"v0.1.0", "a"}, "run `go test ./internal/inspect -update`"},
		"RecordOfAnotherVersion": {record{"v0.2.0", "a"}, record{"v0.1.0", "a"}, "run `go test ./internal/inspect -update`"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, check(test.recorded, test.current), test.want) })
	}
}

func TestMayReplace(t *testing.T) {
	for name, test := range map[string]struct {
		recorded, current record
		want              string // a part of the error; empty: none
	}{
		"Missing":   {record{}, record{"v0.1.0", "a"}, ""},
		"Unchanged": {record{"v0.1.0", "a"}, record{"v0.1.0", "a"}, ""},
		"Newer":     {record{"v0.9.0", "a"}, record{"v0.10.0", "b"}, ""},
		"Same":      {record{"v0.1.0", "a"}, record{"v0.1.0", "b"}, "Version v0.1.0 is not newer than v0.1.0"},
		"Older":     {record{"v1.0.0", "a"}, record{"v0.11.11", "b"}, "Version v0.11.11 is not newer than v1.0.0"},
		"NoVersion": {record{"v0.1.0", "a"}, record{"0.2", "b"}, `"0.2" is no version`},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, mayReplace(test.recorded, test.current), test.want) })
	}
}

// TestHashSources: what goes into the binary counts, and nothing else.
func TestHashSources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.go", "one")
	first := hashSources(t, dir)
	write("a_test.go", "test")
	write("notes.txt", "text")
	if hashSources(t, dir) != first {
		t.Error("a file that is not compiled changed the hash")
	}
	write("a.go", "two")
	second := hashSources(t, dir)
	write("b.go", "")
	if third := hashSources(t, dir); first == second || second == third {
		t.Errorf("hashes %s, %s, %s, want three", first, second, third)
	}
}

// check says what to do about a record that is not of the current sources.
func check(recorded, current record) error {
	switch {
	case recorded == current:
		return nil
	case recorded.version == current.version:
		return fmt.Errorf("what goes into csi-inspector changed since %s: raise Version and run `go test ./internal/inspect -update`", recorded.version)
	default:
		return fmt.Errorf("%s holds %q and Version is %s: run `go test ./internal/inspect -update`", versionFile, recorded.version, current.version)
	}
}

// mayReplace keeps the record of a version that may be published.
func mayReplace(recorded, current record) error {
	if recorded == (record{}) || recorded == current {
		return nil
	}
	old, err := numbersOf(recorded.version)
	if err != nil {
		return err
	}
	now, err := numbersOf(current.version)
	if err != nil {
		return err
	}
	if slices.Compare(now, old) <= 0 {
		return fmt.Errorf("Version %s is not newer than %s: raise it first", current.version, recorded.version)
	}
	return nil
}

func numbersOf(version string) ([]int, error) {
	parts := make([]int, 3)
	if _, err := fmt.Sscanf(version, "v%d.%d.%d", &parts[0], &parts[1], &parts[2]); err != nil {
		return nil, fmt.Errorf("%q is no version: %w", version, err)
	}
	return parts, nil
}

// readRecord returns the zero record if there is none.
func readRecord(t *testing.T) record {
	t.Helper()
	text, err := os.ReadFile(versionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}
	}
	if err != nil {
		t.Fatal(err)
	}
	version, hash, found := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !found {
		t.Fatalf("%s holds %q, want a version and a hash", versionFile, text)
	}
	return record{version, hash}
}

// hashSources hashes the names and contents of the Go files in folders, tests aside.
func hashSources(t *testing.T, folders ...string) string {
	t.Helper()
	sum := sha256.New()
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go")) // sorted
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(sum, "%s %x\n", filepath.Base(path), sha256.Sum256(content))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one with %q", err, want)
	}
}
