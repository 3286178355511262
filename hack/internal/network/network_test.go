// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

func lines(commands []Command) []string {
	var all []string
	for _, c := range commands {
		all = append(all, c.String())
	}
	return all
}

func TestCommands(t *testing.T) {
	nodes := plan.Nodes(2)
	cases := map[string]struct {
		commands []Command
		want     []string
	}{
		"Host": {
			commands: Host(nodes),
			want: []string{
				"ip link add name csiop0 type bridge",
				"ip address add 10.189.0.1/24 dev csiop0",
				"ip link set dev csiop0 up",
				"ip route add 10.244.1.0/24 via 10.189.0.11",
				"ip route add 10.244.2.0/24 via 10.189.0.12",
				"iptables -w 10 -I FORWARD -i csiop0 -o csiop0 -j ACCEPT",
			},
		},
		"Plug": {
			commands: Plug(nodes[0], 4711),
			want: []string{
				"ip link add name csiop-node-a type veth peer name eth0 netns 4711",
				"ip link set dev csiop-node-a master csiop0",
				"ip link set dev csiop-node-a up",
			},
		},
		"Inside": {
			commands: Inside(nodes[1], nodes),
			want: []string{
				"ip link set dev lo up",
				"ip address add 10.189.0.12/24 dev eth0",
				"ip link set dev eth0 up",
				"ip route add default via 10.189.0.1",
				"ip route add unreachable 10.96.0.0/16",
				"ip route add 10.96.0.1 via 10.189.0.1",
				"ip route add 10.244.1.0/24 via 10.189.0.11",
				"iptables -w 10 -t nat -A PREROUTING -d 10.96.0.1/32 -p tcp --dport 443 -j DNAT --to-destination 10.189.0.1:6443",
				"iptables -w 10 -t nat -A OUTPUT -d 10.96.0.1/32 -p tcp --dport 443 -j DNAT --to-destination 10.189.0.1:6443",
				"sysctl -q -w net.ipv4.ip_forward=1",
			},
		},
		"Cut": {commands: []Command{Link(nodes[0], false)}, want: []string{"ip link set dev csiop-node-a down"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lines(tc.commands)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestLinkNamesAreShortEnough(t *testing.T) {
	const limit = 15 // of the kernel
	names := []string{plan.Bridge}
	for _, n := range plan.Nodes(plan.MaxNodes) {
		names = append(names, n.HostLink)
	}
	if slices.ContainsFunc(names, func(name string) bool { return len(name) > limit }) {
		t.Errorf("a name in %v is longer than %d", names, limit)
	}
}
