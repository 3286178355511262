// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// Log follows the file that an API server writes.
type Log struct {
	path string

	mu      sync.Mutex
	offset  int64
	partial []byte // of a line that is not complete
	records Records
}

// Open does not need the file to be there yet.
func Open(path string) *Log { return &Log{path: path} }

// Mark is a place in the log: what is written from now on stands behind it, and
// perhaps a request whose answer was sent just now.
func (l *Log) Mark() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.read()
	return len(l.records), err
}

// Since are the records behind a mark so far.
func (l *Log) Since(mark int) (Records, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(); err != nil {
		return nil, err
	}
	return l.records[mark:len(l.records):len(l.records)], nil
}

// read takes in what was written since the last time.
func (l *Log) read() error {
	f, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	defer f.Close()
	fresh, err := io.ReadAll(io.NewSectionReader(f, l.offset, 1<<62))
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	l.offset += int64(len(fresh))
	text := append(l.partial, fresh...)
	end := bytes.LastIndexByte(text, '\n') + 1
	l.partial = bytes.Clone(text[end:])
	for line := range bytes.Lines(text[:end]) {
		record, counted, err := parse(line)
		if err != nil {
			return err
		}
		if counted {
			l.records = append(l.records, record)
		}
	}
	return nil
}
