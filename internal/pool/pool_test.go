// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLife(t *testing.T) {
	dir := memoryDir(t)
	p := newPool(t, dir)
	v := must(p.Create(CreateRequest{Name: "pvc-1", CapacityBytes: MinXFSCapacity + 1, AccessType: Filesystem, FSType: XFS}))(t)
	want := Volume{
		ID: v.ID, Name: "pvc-1", CapacityBytes: MinXFSCapacity + SectorSize, AccessType: Filesystem, FSType: XFS, SectorSize: 4096,
		ImagePath: filepath.Join(dir, "volumes", v.ID, "image.1"), ImageGeneration: 1, Generation: 2,
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("created (-want, +got):\n%s", diff)
	}
	info := must(os.Stat(v.ImagePath))(t)
	if info.Size() != v.CapacityBytes {
		t.Errorf("image has %d bytes, want %d", info.Size(), v.CapacityBytes)
	}
	if again := must(p.Create(request("pvc-2")))(t); again.ID == v.ID {
		t.Errorf("two volumes have the id %q", v.ID)
	}
	if err := expectNamesInAnyOrder(p, "pvc-1", "pvc-2"); err != nil {
		t.Error(err)
	}
	if err := p.Delete(v.ID); err != nil {
		t.Fatal(err)
	}
	reborn := must(p.Create(request("pvc-1")))(t)
	if err := p.Delete(v.ID); err != nil {
		t.Errorf("deleting again: %v", err)
	}
	if got := must(p.Get(reborn.ID))(t); got.Name != "pvc-1" {
		t.Errorf("a late delete hit the new volume: %+v", got)
	}
}

func expectNamesInAnyOrder(p *Pool, want ...string) error {
	volumes, err := p.list()
	var got []string
	for _, v := range volumes {
		got = append(got, v.Name)
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		err = errors.Join(err, errors.New(diff))
	}
	return err
}

func TestInit(t *testing.T) {
	cases := map[string]struct {
		files  []string // a name that ends in / is a directory
		driver string
		want   error
	}{
		"Empty":               {},
		"FreshExt4":           {files: []string{"lost+found/"}},
		"Interrupted":         {files: []string{"tmp/", "tmp/pool-1234", "names/"}},
		"ForeignFile":         {files: []string{"photo.jpg"}, want: ErrForeignPool},
		"ForeignDirectory":    {files: []string{"backup/"}, want: ErrForeignPool},
		"FileOfOurName":       {files: []string{"volumes"}, want: ErrForeignPool},
		"VolumesWithoutAPool": {files: []string{"volumes/", "volumes/v1/"}, want: ErrForeignPool},
		"EmptyPoolFile":       {files: []string{"pool.json"}, want: ErrCorrupt},
		"PoolFileDirectory":   {files: []string{"pool.json/"}, want: ErrCorrupt},
		"BadDriver":           {driver: "../x", want: ErrInvalidRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			for _, file := range tc.files {
				place(t, filepath.Join(dir, file), strings.HasSuffix(file, "/"))
			}
			if tc.driver == "" {
				tc.driver = testDriver
			}
			p, err := Init(dir, tc.driver)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if err != nil {
				return
			}
			if again := must(Init(dir, tc.driver))(t); again.UUID() != p.UUID() || p.UUID() == "" {
				t.Errorf("uuid %q, then %q", p.UUID(), again.UUID())
			}
		})
	}
}

func place(t *testing.T, path string, directory bool) {
	t.Helper()
	var err error
	if directory {
		err = os.MkdirAll(path, privateDir)
	} else {
		err = os.WriteFile(path, nil, privateFile)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	dir := memoryDir(t)
	made := filepath.Join(dir, "pool")
	for _, d := range []string{made, filepath.Join(dir, "newer"), filepath.Join(dir, "empty")} {
		place(t, d, true)
	}
	newPool(t, made)
	place(t, filepath.Join(dir, "file"), false)
	newer := `{"formatVersion":2,"shape":"unheard of"}`
	if err := os.WriteFile(filepath.Join(dir, "newer", identityFile), []byte(newer), privateFile); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		path, driver string
		want         error
	}{
		"Pool":          {path: made},
		"OtherDriver":   {path: made, driver: "other.example.com", want: ErrForeignPool},
		"Newer":         {path: filepath.Join(dir, "newer"), want: ErrFormat},
		"NotMadeYet":    {path: filepath.Join(dir, "empty"), want: ErrNoPool},
		"Absent":        {path: filepath.Join(dir, "absent"), want: ErrNoPool},
		"File":          {path: filepath.Join(dir, "file"), want: ErrNoPool},
		"Relative":      {path: "pool", want: ErrInvalidRequest},
		"Root":          {path: "/", want: ErrInvalidRequest},
		"Unclean":       {path: made + "/../pool", want: ErrInvalidRequest},
		"TrailingSlash": {path: made + "/", want: ErrInvalidRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.driver == "" {
				tc.driver = testDriver
			}
			if _, err := Open(tc.path, tc.driver); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if names := must(os.ReadDir(filepath.Join(dir, "empty")))(t); len(names) != 0 {
		t.Errorf("Open made %v", names)
	}
}

// TestPoolGoesAway is a file system that is unmounted under a running driver,
// another one that takes its place, and the first one that comes back.
func TestPoolGoesAway(t *testing.T) {
	dir := memoryDir(t)
	mounted, aside := filepath.Join(dir, "pool"), filepath.Join(dir, "aside")
	place(t, mounted, true)
	p := newPool(t, mounted)
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(mounted, aside)
	if _, err := p.Create(request("v")); !errors.Is(err, ErrNoPool) {
		t.Errorf("without its directory: %v", err)
	}
	place(t, mounted, true)
	if _, err := p.Create(request("v")); !errors.Is(err, ErrNoPool) {
		t.Errorf("with an empty mount point: %v", err)
	}
	must(Init(mounted, testDriver))(t)
	if _, err := p.Create(request("v")); !errors.Is(err, ErrForeignPool) {
		t.Errorf("with another pool: %v", err)
	}
	move(mounted, filepath.Join(dir, "other"))
	move(aside, mounted)
	must(p.Create(request("v")))(t)
}

func TestCreateRequests(t *testing.T) {
	const mib = int64(1) << 20
	cases := map[string]struct {
		req  CreateRequest
		want int64
		err  error
	}{
		"Default":            {req: CreateRequest{Name: "v", AccessType: Block}, want: DefaultCapacity},
		"DefaultUnderLimit":  {req: CreateRequest{Name: "v", LimitBytes: 20*mib + 1, AccessType: Block}, want: 20 * mib},
		"RoundedUp":          {req: CreateRequest{Name: "v", CapacityBytes: 20*mib + 1, AccessType: Block}, want: 20*mib + SectorSize},
		"RaisedToMinimum":    {req: CreateRequest{Name: "v", CapacityBytes: 1, AccessType: Block}, want: MinCapacity},
		"RaisedToXFSMinimum": {req: CreateRequest{Name: "v", CapacityBytes: 20 * mib, AccessType: Filesystem, FSType: XFS}, want: MinXFSCapacity},
		"Exact":              {req: CreateRequest{Name: "v", CapacityBytes: 32 * mib, LimitBytes: 32 * mib, AccessType: Filesystem, FSType: Ext4}, want: 32 * mib},

		"LimitBelowMinimum":    {req: CreateRequest{Name: "v", CapacityBytes: 1, LimitBytes: mib, AccessType: Block}, err: ErrRange},
		"LimitBelowXFSMinimum": {req: CreateRequest{Name: "v", LimitBytes: 299 * mib, AccessType: Filesystem, FSType: XFS}, err: ErrRange},
		"LimitBelowRequired":   {req: CreateRequest{Name: "v", CapacityBytes: 32 * mib, LimitBytes: 31 * mib, AccessType: Block}, err: ErrRange},
		"NoSectorBetween":      {req: CreateRequest{Name: "v", CapacityBytes: 32*mib + 1, LimitBytes: 32*mib + 2, AccessType: Block}, err: ErrRange},
		"TooLarge":             {req: CreateRequest{Name: "v", CapacityBytes: MaxCapacity + 1, AccessType: Block}, err: ErrRange},
		"Largest":              {req: CreateRequest{Name: "v", CapacityBytes: 1<<63 - 1, AccessType: Block}, err: ErrRange},
		"Negative":             {req: CreateRequest{Name: "v", CapacityBytes: -1, AccessType: Block}, err: ErrRange},
		"NegativeLimit":        {req: CreateRequest{Name: "v", LimitBytes: -1, AccessType: Block}, err: ErrRange},
		"DoesNotFit":           {req: CreateRequest{Name: "v", CapacityBytes: MaxCapacity, AccessType: Block}, err: ErrNoSpace},

		"NoName":          {req: CreateRequest{AccessType: Block}, err: ErrInvalidRequest},
		"LongName":        {req: CreateRequest{Name: strings.Repeat("x", 1025), AccessType: Block}, err: ErrInvalidRequest},
		"NameNotUTF8":     {req: CreateRequest{Name: "\xff", AccessType: Block}, err: ErrInvalidRequest},
		"NoAccessType":    {req: CreateRequest{Name: "v"}, err: ErrInvalidRequest},
		"NoFileSystem":    {req: CreateRequest{Name: "v", AccessType: Filesystem}, err: ErrInvalidRequest},
		"OtherFileSystem": {req: CreateRequest{Name: "v", AccessType: Filesystem, FSType: "vfat"}, err: ErrInvalidRequest},
		"BlockWithOne":    {req: CreateRequest{Name: "v", AccessType: Block, FSType: Ext4}, err: ErrInvalidRequest},
		"HostileName":     {req: CreateRequest{Name: "../../etc/passwd\x00", AccessType: Block}, want: DefaultCapacity},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			p := newPool(t, dir)
			v, err := p.Create(tc.req)
			if !errors.Is(err, tc.err) || v.CapacityBytes != tc.want {
				t.Errorf("got %d bytes and %v, want %d and %v", v.CapacityBytes, err, tc.want, tc.err)
			}
			if err != nil {
				checkEmpty(t, dir)
			}
		})
	}
}

// checkEmpty makes sure that a refused request left nothing.
func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	for _, sub := range []string{namesDir, volumesDir, tmpDir} {
		if names := must(os.ReadDir(filepath.Join(dir, sub)))(t); len(names) != 0 {
			t.Errorf("%s holds %v", sub, names)
		}
	}
}

func TestCreateAgain(t *testing.T) {
	p := newPool(t, memoryDir(t))
	size := 2 * MinCapacity
	first := must(p.Create(CreateRequest{Name: "v", CapacityBytes: size, AccessType: Filesystem, FSType: Ext4}))(t)
	cases := map[string]struct {
		req CreateRequest
		err error
	}{
		"Same":      {req: CreateRequest{CapacityBytes: size, AccessType: Filesystem, FSType: Ext4}},
		"Anything":  {req: CreateRequest{AccessType: Filesystem, FSType: Ext4}},
		"Less":      {req: CreateRequest{CapacityBytes: 1, AccessType: Filesystem, FSType: Ext4}},
		"More":      {req: CreateRequest{CapacityBytes: size + 1, AccessType: Filesystem, FSType: Ext4}, err: ErrConflict},
		"AtMost":    {req: CreateRequest{LimitBytes: size - SectorSize, AccessType: Filesystem, FSType: Ext4}, err: ErrConflict},
		"OtherFS":   {req: CreateRequest{CapacityBytes: size, AccessType: Filesystem, FSType: XFS}, err: ErrConflict},
		"OtherType": {req: CreateRequest{CapacityBytes: size, AccessType: Block}, err: ErrConflict},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.req.Name = "v"
			v, err := p.Create(tc.req)
			if !errors.Is(err, tc.err) || err == nil && v.ID != first.ID {
				t.Errorf("got %q and %v, want %q or %v", v.ID, err, first.ID, tc.err)
			}
		})
	}
}

func TestResize(t *testing.T) {
	cases := map[string]struct {
		bytes, want int64
		err         error
	}{
		"Same":     {bytes: MinCapacity, want: MinCapacity},
		"Smaller":  {bytes: 1, want: MinCapacity},
		"Negative": {bytes: -1, want: MinCapacity},
		"Rounded":  {bytes: MinCapacity + 1, want: MinCapacity + SectorSize},
		"Larger":   {bytes: 4 * MinCapacity, want: 4 * MinCapacity},
		"TooLarge": {bytes: MaxCapacity + 1, want: MinCapacity, err: ErrRange},
		"NoSpace":  {bytes: MaxCapacity, want: MinCapacity, err: ErrNoSpace},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, memoryDir(t))
			id := staged(t, p)
			before := must(p.available())(t)
			if _, err := p.Resize(id, tc.bytes); !errors.Is(err, tc.err) {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			v := must(p.Get(id))(t)
			if size := must(os.Stat(v.ImagePath))(t).Size(); v.CapacityBytes != tc.want || size != tc.want {
				t.Errorf("capacity %d, image %d, want %d", v.CapacityBytes, size, tc.want)
			}
			// The machine's memory is not ours alone, so this is no equality.
			if after := must(p.available())(t); tc.want > MinCapacity && after >= before {
				t.Errorf("available %d, and %d after growing", before, after)
			}
			checkIntact(t, name, p)
		})
	}
}
