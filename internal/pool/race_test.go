// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestGrantRaces lets many processes grant one volume to different nodes.
func TestGrantRaces(t *testing.T) {
	const processes, rounds = 8, 20
	dir := memoryDir(t)
	p := newPool(t, dir)
	for i := range processes {
		if err := p.RegisterNode(fmt.Sprintf("racer-%d", i), first); err != nil {
			t.Fatal(err)
		}
	}
	id := existing(t, p)
	for range rounds {
		winner := raceForGrant(t, dir, id, processes)
		v := must(p.Get(id))(t)
		if v.Grant == nil || v.Grant.Node != winner {
			t.Fatalf("grant %v, and %q was told so", v.Grant, winner)
		}
		if err := p.Revoke(id, winner); err != nil {
			t.Fatal(err)
		}
	}
}

// raceForGrant returns the only node that was granted the volume.
func raceForGrant(t *testing.T, dir, id string, processes int) string {
	t.Helper()
	var wg sync.WaitGroup
	results := make([]error, processes)
	for i := range processes {
		wg.Go(func() {
			p, err := Open(dir, testDriver)
			if err == nil {
				_, err = p.Grant(id, fmt.Sprintf("racer-%d", i), false)
			}
			results[i] = err
		})
	}
	wg.Wait()
	var winners []string
	for i, err := range results {
		switch {
		case err == nil:
			winners = append(winners, fmt.Sprintf("racer-%d", i))
		case !errors.Is(err, ErrGranted):
			t.Errorf("racer-%d: %v", i, err)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("granted to %v", winners)
	}
	return winners[0]
}

// TestResizeRaces lets many processes grow one volume to different sizes.
func TestResizeRaces(t *testing.T) {
	const processes = 6
	dir := memoryDir(t)
	p := newPool(t, dir)
	id := existing(t, p)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			p, err := Open(dir, testDriver)
			if err == nil {
				err = fmt.Errorf("growing: %w", ErrBusy)
			}
			for errors.Is(err, ErrBusy) {
				_, err = p.Resize(id, int64(i+1)*MinCapacity)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := expect(p, id, nil, nil, processes*MinCapacity); err != nil {
		t.Error(err)
	}
	checkIntact(t, "grown", p)
}

// TestCreateRaces lets many processes create and delete volumes of one name.
func TestCreateRaces(t *testing.T) {
	dir := memoryDir(t)
	newPool(t, dir)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p, err := Open(dir, testDriver)
			for range 20 {
				if err != nil {
					break
				}
				var v Volume
				if v, err = p.Create(request("same")); err == nil && i%2 == 0 {
					err = p.Delete(v.ID)
				}
				// Somebody else may delete what was just made, or be faster for long.
				if errors.Is(err, ErrNotFound) || errors.Is(err, ErrBusy) {
					err = nil
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	p := must(initialize(dir, testDriver, later()))(t)
	must(p.Create(request("same")))(t)
	if err := expectNames(p, "same"); err != nil {
		t.Error(err)
	}
}

// pair is an operation and what another process does, from begin to end, in the
// middle of it.
type pair struct {
	prepare func(t *testing.T, p *Pool) (id string)
	run     func(p *Pool, id string) error
	other   func(p *Pool, id string) error
	// check gets what run and other returned.
	check func(p *Pool, id string, ran, other error) error
}

func pairs() map[string]pair {
	grant := func(node string) func(p *Pool, id string) error {
		return func(p *Pool, id string) error { _, err := p.Grant(id, node, false); return err }
	}
	return map[string]pair{
		"GrantAgainstGrant": {prepare: existing, run: grant("node-a"), other: grant("node-b"), check: onlyOne(ErrGranted, ErrGranted)},
		"GrantAgainstManyGrants": {prepare: existing, run: grant("node-a"), other: func(p *Pool, id string) error {
			for range 4 {
				err := grant("node-b")(p, id)
				if err != nil {
					return err
				}
				if err := p.Revoke(id, "node-b"); err != nil {
					return err
				}
			}
			return grant("node-b")(p, id)
		}, check: onlyOne(ErrGranted, ErrGranted)},
		"GrantAgainstDelete": {prepare: existing, run: grant("node-a"),
			other: func(p *Pool, id string) error { return p.Delete(id) }, check: onlyOne(ErrNotFound, ErrInUse)},
		"GrantAgainstDeleteAndCreate": {prepare: existing, run: grant("node-a"),
			other: func(p *Pool, id string) error {
				if err := p.Delete(id); err != nil {
					return err
				}
				_, err := p.Create(request("existing"))
				return err
			}, check: onlyOne(ErrNotFound, ErrInUse)},
		"DeleteAgainstGrant": {prepare: existing, run: func(p *Pool, id string) error { return p.Delete(id) },
			other: grant("node-a"), check: onlyOne(ErrInUse, ErrNotFound)},
		"FormatAgainstUnstage": {prepare: staged,
			run:   func(p *Pool, id string) error { _, err := p.MarkFormatted(id, "node-a", first); return err },
			other: func(p *Pool, id string) error { return p.Unstage(id, "node-a", first) },
			check: func(p *Pool, id string, ran, other error) error {
				v, err := p.Get(id)
				if ran == nil && !v.Formatted || ran != nil && !errors.Is(ran, ErrNotStaged) {
					err = fmt.Errorf("formatted: %t, %w", v.Formatted, ran)
				}
				return errors.Join(err, other)
			}},
		"StageAgainstReplacement": {prepare: granted,
			run: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", first); return err },
			other: func(p *Pool, id string) error {
				if err := p.RegisterNode("node-a", second); err != nil {
					return err
				}
				return grant("node-a")(p, id)
			}, check: onlyOne(ErrNotGranted, ErrStaged)},
		"StageAgainstRevokeAndGrant": {prepare: granted,
			run: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", first); return err },
			other: func(p *Pool, id string) error {
				if err := p.Revoke(id, "node-a"); err != nil {
					return err
				}
				return grant("node-b")(p, id)
			}, check: onlyOne(ErrNotGranted, ErrStaged)},
	}
}

// morePairs are those in which both operations may succeed.
func morePairs() map[string]pair {
	return map[string]pair{
		"ResizeAgainstLarger": {prepare: existing,
			run:   func(p *Pool, id string) error { _, err := p.Resize(id, 2*MinCapacity); return err },
			other: func(p *Pool, id string) error { _, err := p.Resize(id, 3*MinCapacity); return err },
			check: func(p *Pool, id string, ran, other error) error {
				return errors.Join(ran, other, expect(p, id, nil, nil, 3*MinCapacity))
			}},
		"ResizeAgainstSmaller": {prepare: existing,
			run:   func(p *Pool, id string) error { _, err := p.Resize(id, 3*MinCapacity); return err },
			other: func(p *Pool, id string) error { _, err := p.Resize(id, 2*MinCapacity); return err },
			check: func(p *Pool, id string, ran, other error) error {
				return errors.Join(ran, other, expect(p, id, nil, nil, 3*MinCapacity))
			}},
		"CreateAgainstSweep": {prepare: claimed, run: create, other: sweep, check: created},
		"SweepAgainstCreate": {prepare: claimed, run: sweep, other: create, check: created},
		"CreateAgainstLateSweep": {prepare: claimed, run: create, other: sweepLate,
			check: func(p *Pool, _ string, ran, other error) error {
				if errors.Is(ran, fs.ErrNotExist) {
					ran = nil // what it was writing counted as stale
				}
				return created(p, "", ran, other)
			}},
		"LateSweepAgainstCreate": {prepare: claimed, run: sweepLate, other: create, check: created},
		"ResizeAgainstLateSweep": {prepare: existing, other: sweepLate,
			run: func(p *Pool, id string) error { _, err := p.Resize(id, 2*MinCapacity); return err },
			check: func(p *Pool, id string, ran, other error) error {
				if errors.Is(ran, fs.ErrNotExist) {
					_, ran = p.Resize(id, 2*MinCapacity)
				}
				return errors.Join(ran, other, expect(p, id, nil, nil, 2*MinCapacity))
			}},
		"RegisterAgainstRegister": {prepare: existing,
			run:   func(p *Pool, _ string) error { return p.RegisterNode("node-a", second) },
			other: func(p *Pool, _ string) error { return p.RegisterNode("node-a", "instance-3") },
			check: func(p *Pool, id string, ran, other error) error {
				v, err := p.Grant(id, "node-a", false)
				if err == nil && v.Grant.Instance == first {
					err = errors.New("the first instance is registered still")
				}
				return errors.Join(ran, other, err)
			}},
		"DeleteAgainstDeleteAndCreate": {prepare: existing, run: func(p *Pool, id string) error { return p.Delete(id) },
			other: func(p *Pool, id string) error {
				if err := p.Delete(id); err != nil {
					return err
				}
				_, err := p.Create(request("existing"))
				return err
			},
			check: func(p *Pool, _ string, ran, other error) error {
				_, err := p.Create(request("existing")) // finds the new one by its claim
				return errors.Join(ran, other, err, expectNames(p, "existing"))
			}},
		"CreateAgainstCreate": {prepare: func(*testing.T, *Pool) string { return "" }, run: create, other: create,
			check: func(p *Pool, _ string, ran, other error) error {
				return errors.Join(ran, other, expectNames(p, "new"))
			}},
		"CreateAgainstCreateAndDelete": {prepare: func(*testing.T, *Pool) string { return "" }, run: create,
			other: func(p *Pool, _ string) error {
				v, err := p.Create(request("new"))
				if err != nil {
					return err
				}
				return p.Delete(v.ID)
			},
			check: func(p *Pool, _ string, ran, other error) error {
				return errors.Join(other, create(p, ""), expectNames(p, "new"), unexpected(ran))
			}},
	}
}

// created is a volume that both processes see, and that keeps its name.
func created(p *Pool, _ string, ran, other error) error {
	before, err := p.list()
	if err != nil {
		return err
	}
	v, err := p.Create(request("new"))
	if err == nil && len(before) > 0 && before[0].ID != v.ID {
		err = errors.New("the volume lost its name")
	}
	return errors.Join(ran, other, err, expectNames(p, "new"))
}

func create(p *Pool, _ string) error { _, err := p.Create(request("new")); return err }

// unexpected passes on what is not one of the errors that a volume gives which
// somebody else deletes at that moment.
func unexpected(err error) error {
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrBusy) {
		return nil
	}
	return err
}

// onlyOne wants one of two operations to win and the other to say why not.
func onlyOne(ran, other error) func(p *Pool, id string, gotRan, gotOther error) error {
	return func(_ *Pool, _ string, gotRan, gotOther error) error {
		if gotRan == nil && errors.Is(gotOther, other) || gotOther == nil && errors.Is(gotRan, ran) {
			return nil
		}
		return fmt.Errorf("the first returned %w, the second %w", gotRan, gotOther)
	}
}

// TestInterleaving stops one process at each of its calls, lets another one do
// all it wants, and goes on.
func TestInterleaving(t *testing.T) {
	all := pairs()
	maps.Copy(all, morePairs())
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			base := memoryDir(t)
			k := 1
			for ; interleaveAt(t, filepath.Join(base, fmt.Sprint(k)), p, k); k++ {
			}
			if k < 5 {
				t.Errorf("stopped at %d calls only", k)
			}
		})
	}
}

func interleaveAt(t *testing.T, dir string, both pair, k int) bool {
	t.Helper()
	if err := os.Mkdir(dir, privateDir); err != nil {
		t.Fatal(err)
	}
	healthy := newPool(t, dir)
	id := both.prepare(t, healthy)
	var otherErr error
	s := &script{at: k, before: func() error { otherErr = both.other(healthy, id); return nil }}
	slow := &Pool{path: dir, driver: testDriver, uuid: healthy.uuid, env: scripted(s)}
	err := both.run(slow, id)
	if !s.fired() {
		return false
	}
	if err := both.check(healthy, id, err, otherErr); err != nil {
		t.Fatalf("other process at call %d: %v", k, err)
	}
	return true
}
