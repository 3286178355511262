// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package image makes container images without a container engine: archives in
// the OCI layout that containerd imports under the names they carry.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is what an image is made of.
type Image struct {
	// Name is the whole reference, as manifests write it.
	Name       string
	Entrypoint []string
	// User is the numeric user; empty is root.
	User string
	// Files are the image's files by their absolute path in it.
	Files map[string]File
}

// File is a file of an image: either a copy of one of the machine's, or a
// symbolic link.
type File struct {
	// Copy is the path, on the machine, of a regular file.
	Copy string
	// Link is the target of the symbolic link.
	Link string
}

// searchPath is the PATH of the images.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// build returns the image. The same content makes the same digest.
func (i Image) build(architecture string) (v1.Image, error) {
	layer, err := i.layer()
	if err != nil {
		return nil, fmt.Errorf("making image %q: %w", i.Name, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config := &v1.ConfigFile{
		OS: "linux", Architecture: architecture,
		Config: v1.Config{Entrypoint: i.Entrypoint, User: i.User, Env: []string{searchPath}, WorkingDir: "/"},
		RootFS: v1.RootFS{Type: "layers"},
	}
	configured, err := mutate.ConfigFile(base, config)
	if err != nil {
		return nil, fmt.Errorf("making image %q: %w", i.Name, err)
	}
	done, err := mutate.AppendLayers(configured, static.NewLayer(layer, types.OCIUncompressedLayer))
	if err != nil {
		return nil, fmt.Errorf("making image %q: %w", i.Name, err)
	}
	return done, nil
}

// layer returns the image's files as one archive. Times are left out, so that
// it depends on the content alone.
func (i Image) layer() ([]byte, error) {
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for _, folder := range i.folders() {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755}
		if folder == "tmp" {
			header.Mode = 0o1777
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("adding %q: %w", folder, err)
		}
	}
	for _, path := range i.paths() {
		if err := addFile(archive, strings.TrimPrefix(path, "/"), i.Files[path]); err != nil {
			return nil, fmt.Errorf("adding %q: %w", path, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("closing an archive: %w", err)
	}
	return content.Bytes(), nil
}

// folders returns the folders of all files, and /tmp, parents first.
func (i Image) folders() []string {
	all := map[string]bool{"tmp": true}
	for path := range i.Files {
		for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
			all[strings.TrimPrefix(dir, "/")] = true
		}
	}
	return sorted(all)
}

func (i Image) paths() []string { return sorted(i.Files) }

func sorted[V any](set map[string]V) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func addFile(archive *tar.Writer, name string, f File) error {
	if f.Link != "" {
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: f.Link, Mode: 0o777})
	}
	content, err := os.ReadFile(f.Copy)
	if err != nil {
		return err
	}
	info, err := os.Stat(f.Copy)
	if err != nil {
		return err
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: int64(info.Mode().Perm() | 0o444),
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(content)
	return err
}

// key names the content of the image.
func (i Image) key() (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q %q\n", i.Name, i.Entrypoint, i.User)
	for _, path := range i.paths() {
		f := i.Files[path]
		fmt.Fprintf(hash, "%q %q\n", path, f.Link)
		if f.Copy == "" {
			continue
		}
		if err := hashFile(hash, f.Copy); err != nil {
			return "", fmt.Errorf("hashing image %q: %w", i.Name, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

func hashFile(into io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(into, file)
	return errors.Join(err, file.Close())
}

// Archive writes the image into the folder dir, unless this very image is there
// already, and returns the file's path.
func (i Image) Archive(dir, architecture string) (string, error) {
	key, err := i.key()
	if err != nil {
		return "", err
	}
	name := strings.NewReplacer("/", "-", ":", "-").Replace(i.Name)
	path := filepath.Join(dir, name+"-"+key+".tar")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	built, err := i.build(architecture)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("writing image %q: %w", i.Name, err)
	}
	if err := writeWhole(path, func(out io.Writer) error { return writeLayout(out, built, i.Name) }); err != nil {
		return "", fmt.Errorf("writing image %q: %w", i.Name, err)
	}
	return path, nil
}

// writeWhole writes a file that is either whole or absent.
func writeWhole(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".partial-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// epoch is the time of everything in an archive.
func epoch() time.Time { return time.Unix(0, 0).UTC() }
