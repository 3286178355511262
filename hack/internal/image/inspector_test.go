// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/csi-operator/csi-operator/hack/internal/build"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// workingTree makes a working tree whose inspector has version 0.7.0. Its commands
// print the version of the project.
func workingTree(t *testing.T) string {
	t.Helper()
	const command = "package main\n\n" +
		"import \"github.com/csi-operator/csi-operator/internal/version\"\n\n" +
		"func main() { println(version.Version) }\n"
	root := t.TempDir()
	for path, content := range map[string]string{
		"go.mod":                      "module github.com/csi-operator/csi-operator\n\ngo 1.26\n",
		"internal/version/version.go": "package version\n\nvar Version = \"0.1.0\"\n",
		"internal/inspect/version.go": "package inspect\n\nconst Version = \"v0.7.0\"\n",
		"cmd/csi-inspector/main.go":   command,
		"test/driver/main.go":         command,
	} {
		write(t, filepath.Join(root, path), content)
	}
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInspectorVersion(t *testing.T) {
	cases := map[string]struct {
		content, want string
	}{
		"Constant":  {content: "package inspect\n\n// Version is it.\nconst Version = \"v1.2.3-rc.1\"\n", want: "1.2.3-rc.1"},
		"NoV":       {content: "package inspect\n\nconst Version = \"1.2.3\"\n"},
		"OtherName": {content: "package inspect\n\nconst MinVersion = \"v1.2.3\"\n"},
		"Absent":    {},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if tc.content != "" {
				write(t, filepath.Join(root, "internal", "inspect", "version.go"), tc.content)
			}
			got, err := inspectorVersion(root)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

// TestAReleaseLeavesTheInspectorAlone builds images of two versions of the project.
func TestAReleaseLeavesTheInspectorAlone(t *testing.T) {
	root, cache := workingTree(t), t.TempDir()
	printer := progress.New(io.Discard, 1<<62)
	for short, want := range map[string]bool{"csi-inspector": true, "csi-test-driver": false} {
		t.Run(short, func(t *testing.T) {
			recipes, err := Select([]string{short})
			if err != nil {
				t.Fatal(err)
			}
			digests := map[string]bool{}
			for _, version := range []string{"1.2.3", "2.0.0"} {
				archive, err := NewWorkshop(root, cache, version, build.New(root, cache, printer), printer).Build(t.Context(), recipes[0])
				if err != nil {
					t.Fatal(err)
				}
				references, err := References(archive)
				if err != nil {
					t.Fatal(err)
				}
				digests[references[0].Digest] = true
			}
			if same := len(digests) == 1; same != want {
				t.Errorf("the image is the same: %t, want %t", same, want)
			}
		})
	}
}
