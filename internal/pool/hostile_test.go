// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHostileIDs(t *testing.T) {
	dir := memoryDir(t)
	inner := filepath.Join(dir, "pool")
	place(t, inner, true)
	p := newPool(t, inner)
	long := strings.Repeat("a", 64)
	ids := []string{"", ".", "..", "../x", "a/../../x", "/etc", "a/b", "a\x00b", "-a", "A", "a_b", "a\n", "ä", long, strings.Repeat("a", 1<<16)}
	for _, id := range ids {
		for name, call := range map[string]func() error{
			"Get":                   func() error { _, err := p.Get(id); return err },
			"Delete":                func() error { return p.Delete(id) },
			"Grant":                 func() error { _, err := p.Grant(id, "node-a", false); return err },
			"Revoke":                func() error { return p.Revoke(id, "") },
			"Stage":                 func() error { _, err := p.Stage(id, "node-a", first); return err },
			"Unstage":               func() error { return p.Unstage(id, "node-a", first) },
			"MarkFormatted":         func() error { _, err := p.MarkFormatted(id, "node-a", first); return err },
			"Resize":                func() error { _, err := p.Resize(id, 1); return err },
			"RegisterNode":          func() error { return p.RegisterNode("node-a", id) },
			"StageInstance":         func() error { _, err := p.Stage("v", "node-a", id); return err },
			"UnstageInstance":       func() error { return p.Unstage("v", "node-a", id) },
			"MarkFormattedInstance": func() error { _, err := p.MarkFormatted("v", "node-a", id); return err },
		} {
			if err := call(); !errors.Is(err, ErrInvalidID) || len(err.Error()) > 1000 {
				t.Errorf("%s(%.100q): %v", name, id, err)
			}
		}
	}
	checkEmpty(t, inner)
}

func TestHostileNodes(t *testing.T) {
	p := newPool(t, memoryDir(t))
	id := existing(t, p)
	nodes := []string{".", "..", "../x", "a/b", "a\x00b", "-a", "a-", "A", "a..b", ".a", "a\n", strings.Repeat("a", 254), ""}
	for _, node := range nodes {
		for name, call := range map[string]func() error{
			"RegisterNode":  func() error { return p.RegisterNode(node, first) },
			"Grant":         func() error { _, err := p.Grant(id, node, false); return err },
			"Stage":         func() error { _, err := p.Stage(id, node, first); return err },
			"Unstage":       func() error { return p.Unstage(id, node, first) },
			"MarkFormatted": func() error { _, err := p.MarkFormatted(id, node, first); return err },
		} {
			if err := call(); !errors.Is(err, ErrInvalidID) {
				t.Errorf("%s(%q): %v", name, node, err)
			}
		}
	}
	for _, node := range nodes[:len(nodes)-1] {
		if err := p.Revoke(id, node); !errors.Is(err, ErrInvalidID) {
			t.Errorf("revoking from %q: %v", node, err)
		}
	}
}

func TestNodeNames(t *testing.T) {
	p := newPool(t, memoryDir(t))
	label := strings.Repeat("a", 63)
	for _, node := range []string{"n", "ip-10-0-0-1.ec2.internal", strings.Join([]string{label, label, label, label[:61]}, ".")} {
		if known := must(p.knows(node))(t); known {
			t.Errorf("%q is known", node)
		}
		for range 2 {
			if err := p.RegisterNode(node, first); err != nil {
				t.Error(err)
			}
		}
		if known := must(p.knows(node))(t); !known {
			t.Errorf("%q is not known", node)
		}
	}
}

// TestHostileFiles puts something else where a file of the pool should be and
// wants an error that says so, and nothing touched.
func TestHostileFiles(t *testing.T) {
	files := map[string]func(p *Pool, v Volume) string{
		"pool.json": func(p *Pool, _ Volume) string { return filepath.Join(p.path, identityFile) },
		"claim":     func(p *Pool, v Volume) string { return filepath.Join(p.path, claimFile(v.Name)) },
		"state":     func(p *Pool, v Volume) string { return filepath.Join(p.path, stateFile(v.ID, v.Generation)) },
		"image":     func(_ *Pool, v Volume) string { return v.ImagePath },
		"node":      func(p *Pool, _ Volume) string { return filepath.Join(p.path, nodeFile("node-a")) },
		"volume":    func(p *Pool, v Volume) string { return filepath.Join(p.path, volumeDir(v.ID)) },
		"volumes":   func(p *Pool, _ Volume) string { return filepath.Join(p.path, volumesDir) },
	}
	for file, find := range files {
		for damage, do := range damages() {
			t.Run(file+"/"+damage, func(t *testing.T) {
				dir := memoryDir(t)
				inner, outside := filepath.Join(dir, "pool"), filepath.Join(dir, "outside")
				place(t, inner, true)
				p := newPool(t, inner)
				v := must(p.Create(request("v")))(t)
				path := find(p, v)
				if info := must(os.Stat(path))(t); damage == "Truncated" && info.IsDir() {
					return
				}
				do(t, path, outside)
				before := snapshot(t, outside)
				if err := useAll(p, v); !errors.Is(err, ErrCorrupt) {
					t.Errorf("got %v, want %v", err, ErrCorrupt)
				}
				if after := snapshot(t, outside); after != before {
					t.Errorf("outside the pool:\n%s\nbefore:\n%s", after, before)
				}
			})
		}
	}
}

// damages are what may happen to a file of the pool. outside is a place where a
// link may lead.
func damages() map[string]func(t *testing.T, path, outside string) {
	check := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(t *testing.T, path, outside string){
		"Truncated": func(t *testing.T, path, _ string) { check(t, os.Truncate(path, 20)) },
		"Directory": func(t *testing.T, path, _ string) {
			check(t, os.Rename(path, path+".moved"))
			if info := must(os.Stat(path + ".moved"))(t); info.IsDir() {
				check(t, os.WriteFile(path, nil, privateFile))
				return
			}
			check(t, os.Mkdir(path, privateDir))
		},
		"Symlink": func(t *testing.T, path, outside string) {
			check(t, os.Rename(path, outside))
			check(t, os.Symlink(outside, path))
		},
		"DanglingSymlink": func(t *testing.T, path, outside string) {
			check(t, os.Rename(path, path+".moved"))
			check(t, os.Symlink(outside, path))
		},
		"SymlinkInside": func(t *testing.T, path, _ string) {
			check(t, os.Rename(path, path+".moved"))
			check(t, os.Symlink(filepath.Base(path)+".moved", path))
		},
		"Fifo": func(t *testing.T, path, _ string) {
			check(t, os.Rename(path, path+".moved"))
			check(t, syscall.Mkfifo(path, privateFile))
		},
	}
}

// useAll does everything that reads or writes v and returns the first error.
func useAll(p *Pool, v Volume) error {
	for _, call := range []func() error{
		func() error { _, err := Open(p.path, testDriver); return err },
		func() error { _, err := p.Create(request(v.Name)); return err },
		func() error { _, err := p.Grant(v.ID, "node-a", false); return err },
		func() error { _, err := p.Stage(v.ID, "node-a", first); return err },
		func() error { _, err := p.Resize(v.ID, 2*MinCapacity); return err },
		func() error { return p.Unstage(v.ID, "node-a", first) },
		func() error { return p.Revoke(v.ID, "") },
		func() error { return p.Delete(v.ID) },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// snapshot describes what lies at path.
func snapshot(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(path, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBadRecords are records that are JSON and still not ours.
func TestBadRecords(t *testing.T) {
	replace := func(old, by string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, by, 1) }
	}
	cases := map[string]struct {
		edit func(string) string
		want error
	}{
		"Newer":         {edit: replace(`"formatVersion": 1`, `"formatVersion": 2, "x": 1`), want: ErrFormat},
		"UnknownField":  {edit: replace(`"formatVersion": 1`, `"formatVersion": 1, "x": 1`), want: ErrCorrupt},
		"NoVersion":     {edit: replace(`"formatVersion": 1,`, ``), want: ErrCorrupt},
		"OtherVolume":   {edit: replace(`"id": "`, `"id": "0`), want: ErrCorrupt},
		"EscapingNode":  {edit: replace(`"node": "node-a"`, `"node": "../../x"`), want: ErrCorrupt},
		"Instance":      {edit: replace(`"instance": "instance-1"`, `"instance": "../x"`), want: ErrCorrupt},
		"NoInstance":    {edit: replace(`"instance": "instance-1",`, ``), want: ErrCorrupt},
		"UnknownInside": {edit: replace(`"node": "node-a"`, `"node": "node-a", "x": 1`), want: ErrCorrupt},
		"BadExtensions": {edit: replace(`"sectorSize"`, `"extensions": [], "sectorSize"`), want: ErrCorrupt},
		"Formatted":     {edit: replace(`"sectorSize"`, `"creating": true, "formatted": true, "sectorSize"`), want: ErrCorrupt},
		"Generation":    {edit: replace(`"generation": 3`, `"generation": 4`), want: ErrCorrupt},
		"Capacity":      {edit: replace(`"capacityBytes": 1`, `"capacityBytes": 9`), want: ErrCorrupt},
		"Negative":      {edit: replace(`"capacityBytes": `, `"capacityBytes": -`), want: ErrCorrupt},
		"Reservation":   {edit: replace(`"sectorSize"`, `"reservedBytes": 1, "sectorSize"`), want: ErrCorrupt},
		"SectorSize":    {edit: replace(`"sectorSize": 4096`, `"sectorSize": 512`), want: ErrCorrupt},
		"ImageOutside":  {edit: replace(`"imageGeneration": 1`, `"imageGeneration": -1`), want: ErrCorrupt},
		"FileSystem":    {edit: replace(`"ext4"`, `"vfat"`), want: ErrCorrupt},
		"InUseDeleting": {edit: replace(`"sectorSize"`, `"deleting": true, "sectorSize"`), want: ErrCorrupt},
		"TwoObjects":    {edit: func(s string) string { return s + s }, want: ErrCorrupt},
		"Huge":          {edit: func(s string) string { return s + strings.Repeat(" ", maxRecordBytes) }, want: ErrCorrupt},
		"Empty":         {edit: func(string) string { return "" }, want: ErrCorrupt},
		"Null":          {edit: func(string) string { return "null" }, want: ErrCorrupt},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			p := newPool(t, dir)
			id := granted(t, p)
			other := must(p.Create(request("other")))(t)
			path := filepath.Join(dir, stateFile(id, must(p.Get(id))(t).Generation))
			data := string(must(os.ReadFile(path))(t))
			edited := tc.edit(data)
			if edited == data {
				t.Fatalf("nothing to edit in %s", data)
			}
			if err := os.WriteFile(path, []byte(edited), privateFile); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Grant(id, "node-a", false); !errors.Is(err, tc.want) {
				t.Errorf("granting: got %v, want %v", err, tc.want)
			}
			if err := p.Delete(id); !errors.Is(err, tc.want) {
				t.Errorf("deleting: got %v, want %v", err, tc.want)
			}
			volumes, err := p.list()
			if !errors.Is(err, tc.want) || len(volumes) != 1 || volumes[0].ID != other.ID {
				t.Errorf("listing: %v and %v", volumes, err)
			}
			must(p.Create(request("after")))(t)
		})
	}
}

// TestForeignFiles are files of other people, all over the pool: they are
// neither read nor removed.
func TestForeignFiles(t *testing.T) {
	dir := memoryDir(t)
	p := newPool(t, dir)
	id := existing(t, p)
	foreign := []string{
		"README", "names/README", "nodes/README", "tmp/README", "volumes/README.txt", "volumes/Backup/",
		"volumes/" + id + "/state.99.bak", "volumes/" + id + "/state.099", "volumes/" + id + "/image.1.bak", "tmp/volume-..",
	}
	for _, name := range foreign {
		place(t, filepath.Join(dir, name), strings.HasSuffix(name, "/"))
	}
	p = must(initialize(dir, testDriver, later()))(t)
	must(p.Grant(id, "node-a", false))(t)
	must(p.available())(t)
	if err := expectNames(p, "existing"); err != nil {
		t.Error(err)
	}
	if err := p.Revoke(id, ""); err != nil {
		t.Fatal(err)
	}
	err := p.Delete(id)
	if err == nil || !strings.Contains(err.Error(), "image.1.bak") {
		t.Errorf("deleting the directory of other files: %v", err)
	}
	for _, name := range foreign {
		name = strings.Replace(name, volumeDir(id), trashDir(id), 1)
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"state.99.bak", "state.099", "image.1.bak"} {
		if err := os.Remove(filepath.Join(dir, trashDir(id), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Delete(id); err != nil {
		t.Error(err)
	}
}

// TestLostImage never makes a blank image for a volume that had one.
func TestLostImage(t *testing.T) {
	p := newPool(t, memoryDir(t))
	v := must(p.Create(request("v")))(t)
	if err := os.Truncate(v.ImagePath, MinCapacity/2); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Resize(v.ID, 2*MinCapacity); !errors.Is(err, ErrCorrupt) {
		t.Errorf("resizing a short image: %v", err)
	}
	if err := os.Remove(v.ImagePath); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Create(request("v")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("creating again: %v", err)
	}
	if _, err := os.Lstat(v.ImagePath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is an image again: %v", err)
	}
}
