// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// example returns an image of one program with this content and one link.
func example(t *testing.T, content string) Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(binary, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return Image{
		Name: "example.org/a/b:v1", Entrypoint: []string{"/bin/b"}, User: nonRoot,
		Files: map[string]File{"/bin/b": {Copy: binary}, "/bin/link": {Link: "b"}},
	}
}

func TestLayer(t *testing.T) {
	layer, err := example(t, "program").layer()
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name, Link, Content string
		Mode                int64
	}
	var got []entry
	archive := tar.NewReader(bytes.NewReader(layer))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{Name: header.Name, Link: header.Linkname, Content: string(content), Mode: header.Mode})
	}
	want := []entry{
		{Name: "bin/", Mode: 0o755},
		{Name: "tmp/", Mode: 0o1777},
		{Name: "bin/b", Content: "program", Mode: 0o755},
		{Name: "bin/link", Link: "b", Mode: 0o777},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestTheSameContentIsTheSameImage(t *testing.T) {
	digest := func(i Image) string {
		built, err := i.build("amd64")
		if err != nil {
			t.Fatal(err)
		}
		digest, err := built.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return digest.String()
	}
	first, second, other := digest(example(t, "x")), digest(example(t, "x")), digest(example(t, "y"))
	if first != second {
		t.Errorf("the same content has digests %s and %s", first, second)
	}
	if first == other {
		t.Errorf("different contents have the digest %s", first)
	}
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	image := example(t, "program")
	path, err := image.Archive(dir, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.build("amd64")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := built.Digest()
	if err != nil {
		t.Fatal(err)
	}
	got, err := References(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Reference{{Name: image.Name, Digest: digest.String()}}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v, want the archive alone", entries, err)
	}
	other, err := example(t, "another").Archive(dir, "amd64")
	if err != nil || other == path {
		t.Errorf("the archive of another content is %q, %v", other, err)
	}
}

func TestReferencesRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{path, filepath.Join(t.TempDir(), "absent")} {
		if got, err := References(bad); err == nil {
			t.Errorf("found %v in %q", got, bad)
		}
	}
}

func TestSelect(t *testing.T) {
	all, err := Select(nil)
	if err != nil || len(all) != len(Recipes()) {
		t.Errorf("none named: %d recipes, %v, want all", len(all), err)
	}
	some, err := Select([]string{"pause", "csi-operator"})
	if err != nil {
		t.Fatal(err)
	}
	if got := shortNames(some); !slices.Equal(got, []string{"pause", "csi-operator"}) {
		t.Errorf("selected %q", got)
	}
	if _, err := Select([]string{"no-such"}); err == nil || !strings.Contains(err.Error(), "livenessprobe") {
		t.Errorf("error %v does not name the images there are", err)
	}
}

func TestACommandThatIsNotThereIsNamed(t *testing.T) {
	printer := progress.New(io.Discard, 1<<62)
	root, cache := t.TempDir(), t.TempDir()
	w := NewWorkshop(root, cache, "0.1.0", build.New(root, cache, printer), printer)
	recipes, err := Select([]string{"csi-operator"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Build(context.Background(), recipes[0]); err == nil || !strings.Contains(err.Error(), "has no command cmd/csi-operator") {
		t.Errorf("error %v does not name the missing command", err)
	}
}

func TestCollectorNeverLeavesThePackages(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/sh", filepath.Join(root, "sbin", "tool")); err != nil {
		t.Fatal(err)
	}
	if files, err := programs(root, []string{"tool"}); err == nil {
		t.Errorf("a link out of the packages was followed: %v", files)
	}
	if _, err := programs(root, []string{"absent"}); err == nil {
		t.Error("a program that is not there was found")
	}
}
