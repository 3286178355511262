// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExtensions are what a later release added, which this one carries along.
func TestExtensions(t *testing.T) {
	const added = `{"later.example.com/seal":{"sum":"<&>","big":12345678901234567890.10},"list":[1,null]}`
	dir := memoryDir(t)
	p := newPool(t, dir)
	id := existing(t, p)
	files := []string{identityFile, nodeFile("node-a"), stateFile(id, 2)}
	for _, name := range files {
		extend(t, filepath.Join(dir, name), added)
	}
	p = must(Init(dir, testDriver))(t)
	if err := p.RegisterNode("node-a", second); err != nil {
		t.Fatal(err)
	}
	must(p.Grant(id, "node-a", false))(t)
	must(p.Stage(id, "node-a", second))(t)
	must(p.MarkFormatted(id, "node-a", second))(t)
	must(p.Resize(id, 2*MinCapacity))(t)
	if err := errors.Join(p.Unstage(id, "node-a", second), p.Revoke(id, "node-a")); err != nil {
		t.Fatal(err)
	}
	files[2] = stateFile(id, must(p.Get(id))(t).Generation)
	for _, name := range files {
		if diff := cmp.Diff(compact(t, added), readExtensions(t, filepath.Join(dir, name))); diff != "" {
			t.Errorf("%s (-want, +got):\n%s", name, diff)
		}
	}
}

// TestLargeExtensions fill a record: it is written in fewer bytes, or not at all,
// and never so that it cannot be read.
func TestLargeExtensions(t *testing.T) {
	cases := map[string]struct {
		added func(room int) string
		want  error
	}{
		"Dense":   {added: func(int) string { return `{"x":[` + strings.Repeat("[1],", 10_000) + `1]}` }},
		"TooLong": {added: func(room int) string { return `{"x":"` + strings.Repeat("x", room-30) + `"}` }, want: ErrCorrupt},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			p := newPool(t, dir)
			id := existing(t, p)
			path := filepath.Join(dir, stateFile(id, 2))
			size := len(compact(t, string(must(os.ReadFile(path))(t))))
			extend(t, path, tc.added(maxRecordBytes-size))
			if _, err := p.Grant(id, "node-a", false); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			must(p.Get(id))(t)
		})
	}
}

// extend adds extensions to a record, in one line.
func extend(t *testing.T, path, added string) {
	t.Helper()
	data := strings.TrimSuffix(compact(t, string(must(os.ReadFile(path))(t))), "}") + `,"extensions":` + added + "}"
	if err := os.WriteFile(path, []byte(data), privateFile); err != nil {
		t.Fatal(err)
	}
}

func readExtensions(t *testing.T, path string) string {
	t.Helper()
	var found struct {
		Extensions json.RawMessage `json:"extensions"`
	}
	if err := json.Unmarshal(must(os.ReadFile(path))(t), &found); err != nil {
		t.Fatal(err)
	}
	return compact(t, string(found.Extensions))
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
