// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// fixedFS is a file system that can promise a given size and that nobody else
// writes to. Images in it are never written, so that nothing is allocated.
type fixedFS struct {
	fsys
	size int64
}

func (f *fixedFS) Space() (free, size int64, err error) { return f.size + minReserve, f.size, nil }

func fixed(size int64, env environment) environment {
	inner := env.open
	env.open = func(path string) (fsys, error) {
		f, err := inner(path)
		if err != nil {
			return nil, err
		}
		return &fixedFS{fsys: f, size: size}, nil
	}
	return env
}

// available is what Create and Resize would find at this moment.
func (p *Pool) available() (int64, error) {
	s, err := p.enter()
	if err != nil {
		return 0, err
	}
	defer s.close()
	left, err := s.balance()
	return max(left, 0), err
}

func TestAvailable(t *testing.T) {
	const size = 10 * MinCapacity
	dir := memoryDir(t)
	p := newPool(t, dir)
	p.env = fixed(size, system())
	id := existing(t, p) // one block of it is written
	steps := []struct {
		name string
		do   func() error
		want int64 // in units of MinCapacity, allocated blocks aside
		err  error
	}{
		{name: "one volume", do: func() error { return nil }, want: 9},
		{name: "resized", do: func() error { _, err := p.Resize(id, 4*MinCapacity); return err }, want: 6},
		{name: "second volume", do: func() error { _, err := p.Create(request("2")); return err }, want: 5},
		{name: "created again", do: func() error { _, err := p.Create(request("2")); return err }, want: 5},
		{name: "resized too far", do: func() error { _, err := p.Resize(id, 10*MinCapacity); return err }, want: 5, err: ErrNoSpace},
		{name: "too large a volume", do: func() error {
			_, err := p.Create(CreateRequest{Name: "3", CapacityBytes: 6 * MinCapacity, AccessType: Block})
			return err
		}, want: 5, err: ErrNoSpace},
		{name: "all of it", do: func() error {
			_, err := p.Create(CreateRequest{Name: "3", CapacityBytes: 5 * MinCapacity, AccessType: Block})
			return err
		}, want: 0},
		{name: "one more", do: func() error { _, err := p.Create(request("4")); return err }, want: 0, err: ErrNoSpace},
		{name: "deleted", do: func() error { return p.Delete(id) }, want: 4},
	}
	for _, step := range steps {
		if err := step.do(); !errors.Is(err, step.err) {
			t.Fatalf("%s: got %v, want %v", step.name, err, step.err)
		}
		got := must(p.available())(t)
		if slack := got - step.want*MinCapacity; slack < 0 || slack > 64<<10 {
			t.Errorf("%s: %d available, want %d", step.name, got, step.want*MinCapacity)
		}
	}
}

// TestSmallerResize comes after an expansion that can never fit was interrupted.
func TestSmallerResize(t *testing.T) {
	p := newPool(t, memoryDir(t))
	p.env = fixed(3*MinCapacity, system())
	id := abandoned(t, p)
	must(p.Resize(id, 2*MinCapacity))(t)
	must(p.Create(request("other")))(t)
}

// TestDamagedVolumeCounts keeps the space of a volume that cannot be read.
func TestDamagedVolumeCounts(t *testing.T) {
	dir := memoryDir(t)
	p := newPool(t, dir)
	v := must(p.Create(request("v")))(t)
	p.env = fixed(2*MinCapacity, system())
	if err := os.Truncate(filepath.Join(dir, stateFile(v.ID, v.Generation)), 3); err != nil {
		t.Fatal(err)
	}
	place(t, filepath.Join(dir, volumesDir, "stray"), false)
	if got := must(p.available())(t); got != MinCapacity {
		t.Errorf("%d available, want %d", got, MinCapacity)
	}
}

// TestPromisesInterleaved stops one promise at each of its calls, lets another
// process promise the same space, and goes on.
func TestPromisesInterleaved(t *testing.T) {
	grow := func(p *Pool, id string) error { _, err := p.Resize(id, 2*MinCapacity); return err }
	cases := map[string][2]func(p *Pool, id string) error{
		"CreateAgainstCreate":          {create, func(p *Pool, _ string) error { _, err := p.Create(request("other")); return err }},
		"CreateAgainstResize":          {create, grow},
		"ResizeAgainstCreate":          {grow, create},
		"ResizeAgainstLentReservation": {grow, lend},
		"ResizeAgainstCancelledResize": {grow, func(p *Pool, id string) error {
			if _, err := p.Resize(id, 3*MinCapacity); !errors.Is(err, ErrNoSpace) {
				return fmt.Errorf("resizing beyond the pool: %w", err)
			}
			return create(p, id)
		}},
	}
	for name, ops := range cases {
		t.Run(name, func(t *testing.T) {
			base := memoryDir(t)
			k := 1
			for ; promiseAt(t, filepath.Join(base, fmt.Sprint(k)), ops[0], ops[1], k); k++ {
			}
			if k < 5 {
				t.Errorf("stopped at %d calls only", k)
			}
		})
	}
}

// lend loses the reservation of whoever grows the volume, promises its space to
// another volume, and dies with the same reservation, not having looked whether
// it fits.
func lend(p *Pool, id string) error {
	s, err := p.enter()
	if err != nil {
		return err
	}
	defer s.close()
	reserve := func(size int64) error {
		_, err := s.change(id, live(func(st *state) (bool, error) {
			st.ReservedBytes = size
			return st.CapacityBytes == MinCapacity, nil
		}))
		return err
	}
	if err := reserve(0); err != nil {
		return err
	}
	if err := create(p, ""); err != nil {
		return err
	}
	return reserve(2 * MinCapacity)
}

func promiseAt(t *testing.T, dir string, run, other func(p *Pool, id string) error, k int) bool {
	t.Helper()
	const size = 2 * MinCapacity // one volume is there; one more, or its double, fits
	place(t, dir, true)
	healthy := newPool(t, dir)
	v := must(healthy.Create(request("there")))(t)
	healthy.env = fixed(size, system())
	var otherErr error
	s := &script{at: k, before: func() error { otherErr = other(healthy, v.ID); return nil }}
	slow := &Pool{path: dir, driver: testDriver, uuid: healthy.uuid, env: fixed(size, scripted(s))}
	err := run(slow, v.ID)
	if !s.fired() {
		return false
	}
	for _, err := range []error{err, otherErr} {
		if err != nil && !errors.Is(err, ErrNoSpace) {
			t.Fatalf("call %d: %v", k, err)
		}
	}
	if err == nil && otherErr == nil {
		t.Fatalf("call %d: both were promised the same space", k)
	}
	var promised int64
	for _, v := range must(healthy.list())(t) {
		promised += v.CapacityBytes
	}
	// Growing allocates one sector, which this file system does not count as used.
	if left := must(healthy.available())(t); promised+left != size && promised+left != size+SectorSize {
		t.Fatalf("call %d: %d promised and %d available of %d", k, promised, left, size)
	}
	return true
}

// TestPromisesRace lets many processes fill a pool, and counts.
func TestPromisesRace(t *testing.T) {
	const volumes = 5
	dir := memoryDir(t)
	uuid := newPool(t, dir).uuid
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := &Pool{path: dir, driver: testDriver, uuid: uuid, env: fixed(volumes*MinCapacity, system())}
			for j := range 3 {
				if _, err := p.Create(request(fmt.Sprintf("v-%d-%d", i, j))); err != nil && !errors.Is(err, ErrNoSpace) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	p := must(Open(dir, testDriver))(t)
	if got := must(p.list())(t); len(got) > volumes {
		t.Errorf("%d volumes, and %d fit", len(got), volumes)
	}
}
