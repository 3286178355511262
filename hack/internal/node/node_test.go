// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/golden"
	"github.com/csi-operator/csi-operator/hack/internal/mounts"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

func TestConfigFiles(t *testing.T) {
	p := plan.Nodes(2)[1]
	files, err := configFiles(settings{
		Address: p.Address.String(), PodGateway: p.PodGateway.String(), PodPrefix: p.PodPrefix.String(),
		CA: "/state/pki/ca.crt", Certificate: "/state/pki/node-b.crt", Key: "/state/pki/node-b.key",
		ResolvConf: "/state/nodes/node-b/resolv.conf", Pause: Pause, DNS: plan.DNSAddress, Runc: "/usr/sbin/runc",
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range files {
		golden.Check(t, filepath.Base(path), content)
	}
}

func TestMounts(t *testing.T) {
	paths := plan.Paths{State: "/state"}
	want := []Mount{
		{Source: "/state/nodes/node-a/kubelet", Target: "/var/lib/kubelet"},
		{Source: "/state/nodes/node-a/containerd", Target: "/var/lib/containerd"},
		{Source: "/state/nodes/node-a/cni", Target: "/var/lib/cni"},
		{Source: "/state/nodes/node-a/etc-cni", Target: "/etc/cni"},
		{Source: "/state/nodes/node-a/opt", Target: "/opt"},
		{Source: "/state/nodes/node-a/log-pods", Target: "/var/log/pods"},
		{Source: "/state/nodes/node-a/log-containers", Target: "/var/log/containers"},
		{Target: "/run/containerd"},
		{Target: "/run/netns"},
		{Source: plan.PoolsDir, Target: plan.PoolsDir},
	}
	if diff := cmp.Diff(want, Mounts(paths, "node-a")); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestOnlyThePoolsAreShared(t *testing.T) {
	paths := plan.Paths{State: plan.DefaultStateDir}
	of := func(name string) []string {
		var sources []string
		for _, m := range Mounts(paths, name) {
			if m.Source != "" {
				sources = append(sources, m.Source)
			}
		}
		return sources
	}
	b := of("node-b")
	shared := slices.DeleteFunc(of("node-a"), func(source string) bool { return !slices.Contains(b, source) })
	if diff := cmp.Diff([]string{plan.PoolsDir}, shared); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestHides(t *testing.T) {
	for path, want := range map[string]bool{
		"/opt":                      true,
		"/opt/cache/kubernetes":     true,
		"/optional/cache":           false,
		"/root/.cache/csi-operator": false,
		plan.DefaultStateDir:        false,
	} {
		if err := Hides(path); (err != nil) != want {
			t.Errorf("%s: error %v, wanted one: %t", path, err, want)
		}
	}
}

func TestKubeletArguments(t *testing.T) {
	all := plan.Nodes(2)
	n := New(Config{
		Plan: all[0], All: all, Paths: plan.Paths{State: "/state"}, Files: Files{Kubeconfig: "/state/pki/a.kubeconfig"},
	})
	golden.Check(t, "kubelet-arguments.txt", []byte(strings.Join(n.kubeletArguments(), "\n")+"\n"))
}

func TestStateInAWord(t *testing.T) {
	cases := map[string]struct {
		state State
		want  string
	}{
		"Down":        {state: State{}, want: "down"},
		"DownUnplug":  {state: State{Running: true}, want: "down"},
		"Stopped":     {state: State{Up: true, Linked: true}, want: "stopped"},
		"StoppedCut":  {state: State{Up: true}, want: "stopped"},
		"Partitioned": {state: State{Up: true, Running: true}, want: "partitioned"},
		"Running":     {state: State{Up: true, Running: true, Linked: true}, want: "running"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.state.String(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestGroupsInNodeBeginAtItsOwn(t *testing.T) {
	hierarchies := []mounts.Mount{{Point: "/sys/fs/cgroup/cpu"}, {Point: "/sys/fs/cgroup/unified"}}
	want := []string{"/sys/fs/cgroup/cpu/runtime", "/sys/fs/cgroup/unified/runtime"}
	if diff := cmp.Diff(want, inNode(hierarchies, runtimeGroup)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestInitRefusesToBeAnythingElse(t *testing.T) {
	if err := Init([]string{"/no/such/file", stageMounts}, nil); err == nil {
		t.Error("a process that is not the first one was set up as a node")
	}
}

func TestActionsNeedANodeThatIsUp(t *testing.T) {
	all := plan.Nodes(1)
	n := New(Config{Plan: all[0], All: all, Paths: plan.Paths{State: t.TempDir()}})
	for name, act := range map[string]func() error{
		"Stop":    func() error { return n.Stop(t.Context()) },
		"SetLink": func() error { return n.SetLink(t.Context(), false) },
		"Ctr":     func() error { _, err := n.Ctr(t.Context(), "version"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := act(); err == nil || !strings.Contains(err.Error(), "node start node-a") {
				t.Errorf("error %v does not tell how to start the node", err)
			}
		})
	}
}
