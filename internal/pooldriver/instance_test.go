// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// TestInstance is made once, however many processes start at once.
func TestInstance(t *testing.T) {
	dir := t.TempDir()
	found := make([]string, 8)
	var group sync.WaitGroup
	for i := range found {
		group.Go(func() {
			instance, err := loadInstance(dir)
			if err != nil {
				t.Error(err)
			}
			found[i] = instance
		})
	}
	group.Wait()
	for _, instance := range found {
		if instance != found[0] {
			t.Errorf("several instances: %q", found)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
	other, err := loadInstance(t.TempDir())
	if err != nil || other == found[0] {
		t.Errorf("another node is %q, %v", other, err)
	}
	token := (&node{instance: other}).token()
	if len(token) > mount.MaxToken || !strings.HasPrefix(token, tokenPrefix+other) {
		t.Errorf("token %q of instance %q", token, other)
	}
}

// TestInstanceDamaged is never replaced: a new one would be another node.
func TestInstanceDamaged(t *testing.T) {
	for name, content := range map[string]string{"Empty": "", "Short": "abc\n", "Path": "../../../../../../../../etc\n", "Upper": strings.Repeat("A", 26)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, instanceFile)
			must(t, os.WriteFile(path, []byte(content), 0o600))
			if _, err := loadInstance(dir); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v does not name %q", err, path)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != content {
				t.Errorf("the file holds %q now, %v", got, err)
			}
		})
	}
}

// TestReplacedMachine is a new machine of an old name, with nothing on its disk: what
// the old one has staged is not the new one's.
func TestReplacedMachine(t *testing.T) {
	r, c := newRig(t), block()
	old, id, path := r.staged(mounttest.New(), c)
	away := old.records.dir + "-away"
	must(t, os.Rename(old.records.dir, away))
	replaced := r.node("node-a", mounttest.New())
	wantError(t, stage(t.Context(), replaced, id, path, c), codes.FailedPrecondition, old.instance)
	wantError(t, unstage(t.Context(), replaced, id, path), codes.FailedPrecondition, old.instance)
	wantError(t, r.grant(id, "node-a", c), codes.FailedPrecondition, old.instance)

	old.records.dir = away
	must(t, unstage(t.Context(), old, id, path))
	must(t, r.grant(id, "node-a", c)) // renewed for the machine that has the name now
	must(t, stage(t.Context(), replaced, id, path, c))
}
