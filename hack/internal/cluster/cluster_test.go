// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

func TestAbsentListsTheDeepestFirst(t *testing.T) {
	root := t.TempDir()
	there := filepath.Join(root, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(root, "new", "deep")
	got, err := absent([]string{there, deep, filepath.Join(root, "new")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{deep, filepath.Join(root, "new")}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestRemoveEmptySparesWhatIsUsed(t *testing.T) {
	root := t.TempDir()
	empty, used := filepath.Join(root, "empty"), filepath.Join(root, "used")
	for _, dir := range []string{empty, used} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(used, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	removeEmpty([]string{empty, used, filepath.Join(root, "never-made")})
	if _, err := os.Stat(empty); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(used, "file")); err != nil {
		t.Errorf("the file of another program: %v", err)
	}
}

func TestAddressConflict(t *testing.T) {
	cases := map[string]struct {
		address string
		bad     bool
	}{
		"Elsewhere":       {address: "192.168.1.7/24"},
		"IPv6":            {address: "fe80::1/64"},
		"NodeNetwork":     {address: "10.189.0.1/24", bad: true},
		"WiderThanOurs":   {address: "10.1.2.3/8", bad: true},
		"PodNetwork":      {address: "10.244.7.1/24", bad: true},
		"ServiceNetwork":  {address: "10.96.3.4/32", bad: true},
		"NextToOurs":      {address: "10.189.1.1/24"},
		"NotAnIPAddress":  {address: "eth0"},
		"LoopbackAddress": {address: "127.0.0.1/8"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := addressConflict([]net.Addr{textAddress(tc.address)})
			if (err != nil) != tc.bad {
				t.Errorf("error %v, wanted one: %t", err, tc.bad)
			}
		})
	}
}

type textAddress string

func (textAddress) Network() string  { return "test" }
func (a textAddress) String() string { return string(a) }

func TestState(t *testing.T) {
	paths := plan.Paths{State: t.TempDir()}
	if _, err := load(paths); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want that there is none", err)
	}
	want := state{Nodes: 2, Complete: true, CreatedFolders: []string{"/a"}}
	if err := want.save(paths); err != nil {
		t.Fatal(err)
	}
	got, err := load(paths)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestLoadRefusesWhatItCannotUse(t *testing.T) {
	for name, content := range map[string]string{
		"Truncated": `{"nodes": 2`, "NoNodes": `{}`, "TooMany": `{"nodes": 200}`,
	} {
		t.Run(name, func(t *testing.T) {
			paths := plan.Paths{State: t.TempDir()}
			if err := os.WriteFile(stateFile(paths), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := load(paths); err == nil {
				t.Errorf("loaded %+v", s)
			}
		})
	}
}

func TestHealthy(t *testing.T) {
	process := ProcessStatus{Name: "etcd", Alive: true}
	node := NodeStatus{Name: "node-a", State: "running", Ready: "True"}
	cases := map[string]struct {
		status Status
		want   bool
	}{
		"All": {status: Status{Processes: []ProcessStatus{process}, Nodes: []NodeStatus{node}}, want: true},
		"ProcessEnded": {
			status: Status{Processes: []ProcessStatus{process, {Name: "kube-scheduler"}}, Nodes: []NodeStatus{node}},
		},
		"NotReady": {
			status: Status{Nodes: []NodeStatus{node, {Name: "node-b", State: "running", Ready: "False"}}},
		},
		"NotYetNotReady": {
			status: Status{Nodes: []NodeStatus{node, {Name: "node-b", State: "stopped", Ready: "True"}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.status.Healthy(); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}

func TestDiffers(t *testing.T) {
	now := map[string]bool{"node-a": true, "node-b": false}
	cases := map[string]struct {
		ready bool
		names []string
		bad   bool
	}{
		"Ready":     {ready: true, names: []string{"node-a"}},
		"NotReady":  {ready: false, names: []string{"node-b"}},
		"OneIsNot":  {ready: true, names: []string{"node-a", "node-b"}, bad: true},
		"StillIs":   {ready: false, names: []string{"node-a"}, bad: true},
		"NoSuch":    {ready: false, names: []string{"node-c"}, bad: true},
		"NoneAsked": {ready: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := differs(now, tc.ready, tc.names); (err != nil) != tc.bad {
				t.Errorf("error %v, wanted one: %t", err, tc.bad)
			}
		})
	}
}

func TestNewRefusesFoldersThatCannotBeRemoved(t *testing.T) {
	for _, dir := range []string{"", "/", "/..", "relative/state"} {
		if _, err := New(dir, progress.New(io.Discard, time.Minute)); err == nil {
			t.Errorf("%q was accepted", dir)
		}
	}
}
