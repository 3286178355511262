// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/controlplane"
	"github.com/csi-operator/csi-operator/hack/internal/node"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/process"
	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

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
	want := state{
		Nodes: 2, Complete: true, CreatedFolders: []string{"/a"}, Settings: "5e77",
		Binaries: node.Binaries{Kubernetes: "/k", Containerd: "/c"},
	}
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

func TestDifferences(t *testing.T) {
	have := state{
		Nodes: 2, Complete: true, CreatedFolders: []string{"/a"}, Settings: "5e77",
		Binaries: node.Binaries{Kubernetes: "/k", Containerd: "/c"},
	}
	cases := map[string]struct {
		change func(*state)
		want   []string
	}{
		"Nothing":          {change: func(*state) {}},
		"WhatIsNotWanted":  {change: func(s *state) { s.Complete, s.CreatedFolders = false, nil }},
		"Nodes":            {change: func(s *state) { s.Nodes = 3 }, want: []string{"it has 2 nodes, not 3"}},
		"NodesAndSettings": {change: func(s *state) { s.Nodes, s.Settings = 1, "0" }, want: []string{"it has 2 nodes, not 1"}},
		"Settings":         {change: func(s *state) { s.Settings = "0" }, want: []string{"it was started with other settings"}},
		"Binaries": {
			change: func(s *state) { s.Binaries = node.Binaries{} },
			want:   []string{"it runs another build of Kubernetes", "it runs another build of containerd"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			wanted := have
			tc.change(&wanted)
			if diff := cmp.Diff(tc.want, have.differences(wanted)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestCheckSame(t *testing.T) {
	bin := t.TempDir()
	runc := filepath.Join(bin, "runc")
	if err := os.WriteFile(runc, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	c := newCluster(t)
	binaries := node.Binaries{Kubernetes: "/k", Containerd: "/c"}
	up, err := c.wanted(2, binaries)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.takeState(); err != nil {
		t.Fatal(err)
	}
	if err := up.save(c.paths); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSame(2, binaries); err != nil {
		t.Errorf("of the same cluster: %v", err)
	}
	if err := c.CheckSame(3, binaries); err == nil || !strings.Contains(err.Error(), `run "localcluster down"`) {
		t.Errorf("of one with more nodes: %v", err)
	}
	other := t.TempDir()
	if err := os.Rename(runc, filepath.Join(other, "runc")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", other)
	if err := c.CheckSame(2, binaries); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("of one with another runc: %v", err)
	}
}

func TestRunning(t *testing.T) {
	start := func(t *testing.T, c *Cluster) process.Identity {
		t.Helper()
		command := exec.Command("sleep", "60")
		command.Env = process.Environment(c.paths.State)
		started, err := process.Start(command, filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := process.End(context.Background(), 0, started); err != nil {
				t.Error(err)
			}
		})
		return started
	}
	record := func(t *testing.T, c *Cluster, p process.Identity) {
		t.Helper()
		for _, component := range controlplane.Components(c.paths) {
			if err := process.NewRecords(c.paths.Processes()).Write(component.Name, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := map[string]struct {
		complete bool
		prepare  func(t *testing.T, c *Cluster)
		want     bool
		problem  string
	}{
		"HalfMade": {prepare: func(*testing.T, *Cluster) {}},
		"Up": {
			complete: true, want: true,
			prepare: func(t *testing.T, c *Cluster) { t.Helper(); record(t, c, start(t, c)) },
		},
		"WithoutItsControlPlane": {
			complete: true, problem: `run "localcluster down"`,
			prepare: func(t *testing.T, c *Cluster) { t.Helper(); start(t, c) },
		},
		"AfterARestartOfTheMachine": {complete: true, prepare: func(*testing.T, *Cluster) {}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			if err := c.takeState(); err != nil {
				t.Fatal(err)
			}
			if err := (state{Nodes: 2, Complete: tc.complete}).save(c.paths); err != nil {
				t.Fatal(err)
			}
			tc.prepare(t, c)
			got, err := c.Running()
			if got != tc.want || (err != nil) != (tc.problem != "") || (err != nil && !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("running %t, error %v; want %t and %q", got, err, tc.want, tc.problem)
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
