// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestCommit is a process that slept between reading a state and linking the
// next one.
func TestCommit(t *testing.T) {
	cases := map[string]struct {
		files []int64 // the generations that are there by now
		next  int64
		want  error
	}{
		"Next":             {files: []int64{4, 5}, next: 6},
		"TakenMeanwhile":   {files: []int64{5, 6}, next: 6, want: errLost},
		"UsedAndRemoved":   {files: []int64{7, 8}, next: 6, want: errLost},
		"HigherBesideBase": {files: []int64{5, 7}, next: 6, want: errLost},
		"BaseRemoved":      {files: nil, next: 6, want: errLost},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			p := newPool(t, dir)
			id := existing(t, p)
			s := must(p.enter())(t)
			defer s.close()
			st := must(s.latest(id))(t)
			for _, gen := range []int64{1, 2} {
				if err := os.Remove(filepath.Join(dir, stateFile(id, gen))); err != nil {
					t.Fatal(err)
				}
			}
			for _, gen := range tc.files {
				place(t, filepath.Join(dir, stateFile(id, gen)), false)
			}
			st.Generation = tc.next
			if err := s.commit(st); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}
