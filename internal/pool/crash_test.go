// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testData = "what a workload wrote"

// step is one operation on the volume id and what has to be true when it
// returned nil, also after a power cut.
type step struct {
	prepare func(t *testing.T, p *Pool) (id string)
	run     func(p *Pool, id string) error
	done    func(p *Pool, id string) error
	// volumes is how many there are in the end.
	volumes int
	// blank: the pool is made by the step itself.
	blank bool
}

// existing makes a volume with data in it.
func existing(t *testing.T, p *Pool) string {
	t.Helper()
	v := must(p.Create(request("existing")))(t)
	f := must(os.OpenFile(v.ImagePath, os.O_WRONLY, 0))(t)
	if _, err := f.WriteString(testData); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return v.ID
}

func granted(t *testing.T, p *Pool) string {
	id := existing(t, p)
	must(p.Grant(id, "node-a", false))(t)
	return id
}

func staged(t *testing.T, p *Pool) string {
	id := granted(t, p)
	must(p.Stage(id, "node-a", first))(t)
	return id
}

func steps() map[string]step {
	nothing := func(*testing.T, *Pool) string { return "" }
	return map[string]step{
		"Init": {prepare: nothing, blank: true, volumes: 0,
			run: func(p *Pool, _ string) error {
				_, err := initialize(p.path, testDriver, p.env)
				return err
			},
			done: func(p *Pool, _ string) error {
				_, err := Open(p.path, testDriver)
				return err
			}},
		"Create": {prepare: nothing, volumes: 1,
			run:  func(p *Pool, _ string) error { _, err := p.Create(request("new")); return err },
			done: func(p *Pool, _ string) error { return expectNames(p, "new") }},
		"Delete": {prepare: existing, volumes: 0,
			run: func(p *Pool, id string) error { return p.Delete(id) },
			done: func(p *Pool, id string) error {
				if _, err := p.Get(id); !errors.Is(err, ErrNotFound) {
					return fmt.Errorf("getting a deleted volume: %w", err)
				}
				if _, err := os.Lstat(filepath.Join(p.path, volumeDir(id))); !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("directory of a deleted volume: %w", err)
				}
				return nil
			}},
		"Grant": {prepare: existing, volumes: 1,
			run:  func(p *Pool, id string) error { _, err := p.Grant(id, "node-a", true); return err },
			done: func(p *Pool, id string) error { return expect(p, id, &Grant{"node-a", first, true}, nil, MinCapacity) }},
		"Stage": {prepare: granted, volumes: 1,
			run: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", first); return err },
			done: func(p *Pool, id string) error {
				return expect(p, id, &Grant{Node: "node-a", Instance: first}, &StageMarker{"node-a", first}, MinCapacity)
			}},
		"Revoke": {prepare: staged, volumes: 1,
			run:  func(p *Pool, id string) error { return p.Revoke(id, "") },
			done: func(p *Pool, id string) error { return expect(p, id, nil, &StageMarker{"node-a", first}, MinCapacity) }},
		"Unstage": {prepare: staged, volumes: 1,
			run: func(p *Pool, id string) error { return p.Unstage(id, "node-a", first) },
			done: func(p *Pool, id string) error {
				return expect(p, id, &Grant{Node: "node-a", Instance: first}, nil, MinCapacity)
			}},
		"Resize": {prepare: granted, volumes: 1,
			run: func(p *Pool, id string) error { _, err := p.Resize(id, 2*MinCapacity); return err },
			done: func(p *Pool, id string) error {
				return expect(p, id, &Grant{Node: "node-a", Instance: first}, nil, 2*MinCapacity)
			}},
		"MarkFormatted": {prepare: staged, volumes: 1,
			run: func(p *Pool, id string) error { _, err := p.MarkFormatted(id, "node-a", first); return err },
			done: func(p *Pool, id string) error {
				if v, err := p.Get(id); err != nil || !v.Formatted {
					return fmt.Errorf("formatted: %t, %w", v.Formatted, err)
				}
				return expect(p, id, &Grant{Node: "node-a", Instance: first}, &StageMarker{"node-a", first}, MinCapacity)
			}},
		"RegisterInstance": {prepare: existing, volumes: 1,
			run: func(p *Pool, _ string) error { return p.RegisterNode("node-a", second) },
			done: func(p *Pool, id string) error {
				v, err := p.Grant(id, "node-a", false)
				if err != nil || v.Grant.Instance != second {
					return fmt.Errorf("granted as %v: %w", v.Grant, err)
				}
				return p.Revoke(id, "")
			}},
		"RenewGrant": {prepare: replaced(granted), volumes: 1,
			run: func(p *Pool, id string) error { _, err := p.Grant(id, "node-a", false); return err },
			done: func(p *Pool, id string) error {
				return expect(p, id, &Grant{Node: "node-a", Instance: second}, nil, MinCapacity)
			}},
		"Sweep": {volumes: 1,
			run: func(p *Pool, id string) error {
				if err := sweepLate(p, ""); err != nil {
					return err
				}
				_, err := p.Resize(id, 0) // whoever uses what a sweep did makes it durable
				return err
			},
			prepare: func(t *testing.T, p *Pool) string { claimed(t, p); return abandoned(t, p) },
			done: func(p *Pool, id string) error {
				s, err := p.enter()
				if err != nil {
					return err
				}
				defer s.close()
				if st, err := s.latest(id); err != nil || st.ReservedBytes != 0 {
					return fmt.Errorf("%d bytes reserved, %w", st.ReservedBytes, err)
				}
				return expectNames(p, "existing")
			}},
		"RegisterNode": {prepare: nothing, volumes: 0,
			run: func(p *Pool, _ string) error { return p.RegisterNode("node-c", first) },
			done: func(p *Pool, _ string) error {
				if known, err := p.knows("node-c"); err != nil || !known {
					return fmt.Errorf("node known: %t, %w", known, err)
				}
				return nil
			}},
	}
}

func expect(p *Pool, id string, grant *Grant, marker *StageMarker, capacity int64) error {
	v, err := p.Get(id)
	if err != nil {
		return err
	}
	type facts struct {
		Grant    *Grant
		Staged   *StageMarker
		Capacity int64
	}
	if diff := cmp.Diff(facts{grant, marker, capacity}, facts{v.Grant, v.Staged, v.CapacityBytes}); diff != "" {
		return fmt.Errorf("volume (-want, +got):\n%s", diff)
	}
	return nil
}

func expectNames(p *Pool, want ...string) error {
	volumes, err := p.list()
	if err != nil {
		return err
	}
	var got []string
	for _, v := range volumes {
		got = append(got, v.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("volumes (-want, +got):\n%s", diff)
	}
	return nil
}

// TestCrashes fails each operation at each of its calls, in each way, and then
// does it again on a healthy file system.
func TestCrashes(t *testing.T) {
	fail := func() error { return errFault }
	ways := map[string]func(k int) *script{
		"ErrorInstead":         func(k int) *script { return &script{at: k, before: fail} },
		"ErrorAfter":           func(k int) *script { return &script{at: k, after: fail} },
		"CrashBefore":          func(k int) *script { return &script{at: k, before: fail, dies: true} },
		"CrashAfter":           func(k int) *script { return &script{at: k, after: fail, dies: true} },
		"CrashInFile":          func(k int) *script { return &script{at: k, torn: true, before: fail, dies: true} },
		"PowerCut":             func(k int) *script { return &script{at: k, after: fail, dies: true, trash: "yes"} },
		"PowerCutAfterRetry":   func(k int) *script { return &script{at: k, after: fail, dies: true, trash: "yes", retried: true} },
		"PowerCutAfterSuccess": func(k int) *script { return &script{at: k, before: fail, trash: "yes"} },
	}
	for name, op := range steps() {
		for way, scriptFor := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				base := memoryDir(t)
				k := 1
				for ; crashAt(t, filepath.Join(base, fmt.Sprint(k)), op, scriptFor(k)); k++ {
				}
				if k < 5 {
					t.Errorf("only %d calls were failed", k)
				}
			})
		}
	}
}

// crashAt runs op under the script and reports whether the script came to its
// point.
func crashAt(t *testing.T, dir string, op step, s *script) bool {
	t.Helper()
	for _, d := range []string{dir, dir + "-trash"} {
		if err := os.Mkdir(d, privateDir); err != nil {
			t.Fatal(err)
		}
	}
	if s.trash != "" {
		s.trash = dir + "-trash"
	}
	broken, id := &Pool{path: dir, driver: testDriver}, ""
	if !op.blank {
		healthy := newPool(t, dir)
		broken.uuid, id = healthy.uuid, op.prepare(t, healthy)
	}
	broken.env = scripted(s)
	err := op.run(broken, id)
	if err != nil && s.retried {
		s.dead = false // another process, and the disk still has what was not synced
		err = op.run(broken, id)
	}
	if s.trash != "" {
		s.cutPower(t)
	}
	where := fmt.Sprintf("call %d: %v", s.at, err)
	if err == nil {
		if err := op.done(must(Open(dir, testDriver))(t), id); err != nil {
			t.Fatalf("%s: not done: %v", where, err)
		}
	}
	again(t, where, dir, op, id)
	return s.fired()
}

// again does op on a healthy file system and checks that nothing is lost and
// nothing is left.
func again(t *testing.T, where, dir string, op step, id string) {
	t.Helper()
	if op.blank {
		must(Init(dir, testDriver))(t)
	}
	p := must(Open(dir, testDriver))(t)
	checkIntact(t, where, p)
	if err := op.run(p, id); err != nil {
		t.Fatalf("%s: again: %v", where, err)
	}
	if err := op.done(p, id); err != nil {
		t.Fatalf("%s: not done again: %v", where, err)
	}
	p = must(initialize(dir, testDriver, later()))(t)
	checkIntact(t, where, p)
	for sub, want := range map[string]int{tmpDir: 0, volumesDir: op.volumes, namesDir: op.volumes} {
		if got := must(os.ReadDir(filepath.Join(dir, sub)))(t); len(got) != want {
			t.Fatalf("%s: %s holds %v, want %d entries", where, sub, got, want)
		}
	}
}

// checkIntact makes sure of every volume, and of the data in it.
func checkIntact(t *testing.T, where string, p *Pool) {
	t.Helper()
	volumes, err := p.list()
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	for _, v := range volumes {
		if v.Name != "existing" {
			continue
		}
		f := must(os.Open(v.ImagePath))(t)
		data := make([]byte, len(testData))
		if _, err := f.Read(data); err != nil || string(data) != testData {
			t.Fatalf("%s: image holds %q, %v", where, data, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOlderGenerationsGo keeps the directory of a busy volume small.
func TestOlderGenerationsGo(t *testing.T) {
	dir := memoryDir(t)
	p := newPool(t, dir)
	id := existing(t, p)
	for range 20 {
		must(p.Grant(id, "node-a", false))(t)
		if err := p.Revoke(id, "node-a"); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, entry := range must(os.ReadDir(filepath.Join(dir, volumesDir, id)))(t) {
		names = append(names, entry.Name())
	}
	if got, want := strings.Join(names, " "), "image.1 state.41 state.42"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
