// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nameAnnotation tells containerd under which name to import an image.
const nameAnnotation = "io.containerd.image.name"

const indexFile = "index.json"

// writeLayout writes the image as an archive of an OCI image layout.
func writeLayout(out io.Writer, image v1.Image, name string) error {
	archive := tar.NewWriter(out)
	index, err := index(image, name)
	if err != nil {
		return err
	}
	if err := addEntry(archive, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	if err := addEntry(archive, indexFile, index); err != nil {
		return err
	}
	if err := addBlobs(archive, image); err != nil {
		return err
	}
	return archive.Close()
}

func index(image v1.Image, name string) ([]byte, error) {
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	size, err := image.Size()
	if err != nil {
		return nil, err
	}
	return json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{{
			MediaType: types.OCIManifestSchema1, Digest: digest, Size: size,
			Annotations: map[string]string{nameAnnotation: name},
		}},
	})
}

func addBlobs(archive *tar.Writer, image v1.Image) error {
	manifest, err := image.RawManifest()
	if err := addBlob(archive, manifest, err); err != nil {
		return err
	}
	config, err := image.RawConfigFile()
	if err := addBlob(archive, config, err); err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		reader, err := layer.Compressed() // as it is stored, that is not compressed
		if err != nil {
			return err
		}
		content, err := io.ReadAll(reader)
		if err := addBlob(archive, content, errors.Join(err, reader.Close())); err != nil {
			return err
		}
	}
	return nil
}

// addBlob adds content under its digest unless the making of it has failed with err.
func addBlob(archive *tar.Writer, content []byte, err error) error {
	if err != nil {
		return err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return err
	}
	return addEntry(archive, "blobs/sha256/"+digest.Hex, content)
}

func addEntry(archive *tar.Writer, name string, content []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644, ModTime: epoch()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

// Reference is an image's name and the digest of its manifest.
type Reference struct{ Name, Digest string }

// References returns the images in the archive at path, which must be an OCI
// layout whose images carry names.
func References(path string) ([]Reference, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading an image archive: %w", err)
	}
	defer func() { _ = file.Close() }()
	archive := tar.NewReader(file)
	for {
		header, err := archive.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for %s in image archive %q: %w", indexFile, path, err)
		}
		if header.Name == indexFile {
			return references(path, archive)
		}
	}
}

func references(path string, content io.Reader) ([]Reference, error) {
	index, err := v1.ParseIndexManifest(content)
	if err != nil {
		return nil, fmt.Errorf("reading image archive %q: %w", path, err)
	}
	var found []Reference
	for _, manifest := range index.Manifests {
		name := manifest.Annotations[nameAnnotation]
		if name == "" {
			return nil, fmt.Errorf("reading image archive %q: an image has no annotation %s", path, nameAnnotation)
		}
		found = append(found, Reference{Name: name, Digest: manifest.Digest.String()})
	}
	return found, nil
}
