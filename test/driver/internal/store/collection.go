// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// metadataFile is in the folder of every object.
const metadataFile = "metadata.json"

// Object is what every object has: an id, which the store chooses, and a name,
// which the caller does.
type Object struct{ ID, Name string }

func (o Object) object() Object { return o }

// Collection is all objects of a kind: a folder for each, named by its id, and an
// index from names to ids.
type Collection[T interface{ object() Object }] struct {
	kind, folder, names string
	scratch             scratch
	// changing guards reading, changing and writing metadata. Only one process
	// does so: that of the leading resizer.
	changing sync.Mutex
}

func newCollection[T interface{ object() Object }](dir, kind string, temporary scratch) *Collection[T] {
	return &Collection[T]{
		kind:    kind,
		folder:  filepath.Join(dir, kind+"s"),
		names:   filepath.Join(dir, "names", kind+"s"),
		scratch: temporary,
	}
}

// path is below the folder whatever the id is.
func (c *Collection[T]) path(id string) string { return filepath.Join(c.folder, filepath.Base(id)) }

// index is where the id of a name stands; a name may hold what a file's may not.
func (c *Collection[T]) index(name string) string {
	hash := sha256.Sum256([]byte(name))
	return filepath.Join(c.names, hex.EncodeToString(hash[:]))
}

// create returns the object of that name. If there is none, fill makes the
// content of its folder, and its metadata.
func (c *Collection[T]) create(name string, fill func(o Object, folder string) (T, error)) (T, error) {
	var none T
	id, err := c.claim(name)
	if err != nil {
		return none, fmt.Errorf("claiming the name of %s %q: %w", c.kind, name, err)
	}
	if there, err := c.Get(id); !errors.Is(err, ErrNotFound) {
		return there, err
	}
	folder, err := os.MkdirTemp(string(c.scratch), "")
	if err != nil {
		return none, fmt.Errorf("creating %s %q: %w", c.kind, name, err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a rename has moved it away
	made, err := fill(Object{ID: id, Name: name}, folder)
	if err == nil {
		err = c.write(folder, made)
	}
	if err == nil {
		err = os.Rename(folder, c.path(id))
	}
	switch {
	case errors.Is(err, fs.ErrExist): // another process was faster
		return c.Get(id)
	case err != nil:
		return none, fmt.Errorf("creating %s %q: %w", c.kind, name, err)
	}
	return made, flush(c.folder)
}

// claim returns the id of a name: a new one for a new name.
func (c *Collection[T]) claim(name string) (string, error) {
	id := strings.ToLower(rand.Text())
	err := c.scratch.place(c.index(name), []byte(id), os.Link)
	if errors.Is(err, fs.ErrExist) {
		there, err := os.ReadFile(c.index(name))
		return string(there), err
	}
	return id, err
}

// Get returns ErrNotFound for what is not there.
func (c *Collection[T]) Get(id string) (T, error) {
	var object T
	data, err := os.ReadFile(filepath.Join(c.path(id), metadataFile))
	if err == nil {
		err = json.Unmarshal(data, &object)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return object, fmt.Errorf("reading %s %q: %w", c.kind, id, err)
	}
	return object, nil
}

// List returns all objects, sorted by id.
func (c *Collection[T]) List() ([]T, error) {
	entries, err := os.ReadDir(c.folder)
	if err != nil {
		return nil, fmt.Errorf("listing %ss: %w", c.kind, err)
	}
	var all []T
	for _, entry := range entries {
		object, err := c.Get(entry.Name())
		switch {
		case err == nil:
			all = append(all, object)
		case !errors.Is(err, ErrNotFound): // not found: deleted meanwhile
			return nil, err
		}
	}
	return all, nil
}

// Update returns the object after the change; an error of change leaves it as it
// was.
func (c *Collection[T]) Update(id string, change func(*T) error) (T, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	object, err := c.Get(id)
	if err == nil {
		err = change(&object)
	}
	if err == nil {
		err = c.write(c.path(id), object)
	}
	return object, err
}

// write makes or replaces the metadata in an object's folder.
func (c *Collection[T]) write(folder string, object T) error {
	data, err := json.Marshal(object)
	if err == nil {
		err = c.scratch.place(filepath.Join(folder, metadataFile), data, os.Rename)
	}
	if err != nil {
		return fmt.Errorf("writing metadata: %w", err)
	}
	return nil
}

// Delete succeeds for what is not there. The name goes first, so that whoever is
// interrupted can repeat it by the id.
func (c *Collection[T]) Delete(id string) error {
	object, err := c.Get(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	index := c.index(object.object().Name)
	owner, err := os.ReadFile(index)
	if err == nil && string(owner) == id {
		err = os.Remove(index)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = c.scratch.discard(c.path(id))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s %q: %w", c.kind, id, err)
	}
	return nil
}
