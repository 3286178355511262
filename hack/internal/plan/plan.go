// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan decides the names, addresses and paths of the cluster, which are
// the same on every machine: one cluster runs per machine.
package plan

import (
	"fmt"
	"net/netip"
	"path/filepath"
)

// Names of what the cluster makes outside of its folders.
const (
	// Bridge connects the nodes and the machine.
	Bridge = "csiop0"
	// Control is the group of all control groups of the cluster.
	Control = "csi-operator-cluster"
	// PoolsDir is the folder that all nodes share, as if it were a shared file
	// system; it has the same path on the machine and on each node.
	PoolsDir = "/var/lib/csi-operator-pools"
	// DefaultStateDir holds everything else of the cluster.
	DefaultStateDir = "/var/lib/csi-operator-cluster"
)

// MaxNodes is how many nodes a cluster can have.
const MaxNodes = 9

// Addresses of the cluster. The machine itself has HostAddress on the bridge.
const (
	HostAddress       = "10.189.0.1"
	HostPrefix        = "10.189.0.0/24"
	PodPrefix         = "10.244.0.0/16"
	ServicePrefix     = "10.96.0.0/16"
	KubernetesAddress = "10.96.0.1"
	DNSAddress        = "10.96.0.10" // nothing answers there
	APIServerPort     = 6443
	EtcdAddress       = "127.0.0.1"
	EtcdPort          = 22379
	EtcdPeerPort      = 22380
)

// APIServerURL is where the API server is reached from the machine and the nodes.
func APIServerURL() string { return fmt.Sprintf("https://%s:%d", HostAddress, APIServerPort) }

// EtcdURL is where etcd is reached from the machine; nodes cannot reach it.
func EtcdURL() string { return fmt.Sprintf("https://%s:%d", EtcdAddress, EtcdPort) }

// Node is the name and the addresses of one node.
type Node struct {
	Name string
	// Address is the node's own, PodGateway that of its pods' bridge.
	Address, PodGateway netip.Addr
	PodPrefix           netip.Prefix
	// HostLink is the machine's end of the node's network cable.
	HostLink string
}

// Nodes returns the first count nodes: node-a, node-b and so on.
func Nodes(count int) []Node {
	nodes := make([]Node, count)
	for i := range nodes {
		name := "node-" + string(rune('a'+i))
		nodes[i] = Node{
			Name:       name,
			Address:    netip.AddrFrom4([4]byte{10, 189, 0, byte(11 + i)}),
			PodGateway: netip.AddrFrom4([4]byte{10, 244, byte(1 + i), 1}),
			PodPrefix:  netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(1 + i), 0}), 24),
			HostLink:   "csiop-" + name,
		}
	}
	return nodes
}

// Paths are the files and folders of one cluster below its state folder.
type Paths struct{ State string }

// Kubeconfig is the administrator's.
func (p Paths) Kubeconfig() string { return filepath.Join(p.State, "kubeconfig") }

// PKI is the folder of keys and certificates.
func (p Paths) PKI() string { return filepath.Join(p.State, "pki") }

// Etcd is the folder of the cluster's data base.
func (p Paths) Etcd() string { return filepath.Join(p.State, "etcd") }

// Logs is the folder of the log files, one for each process.
func (p Paths) Logs() string { return filepath.Join(p.State, "logs") }

// Log is the log file of the process called name.
func (p Paths) Log(name string) string { return filepath.Join(p.Logs(), name+".log") }

// AuditPolicy says which requests the API server records in AuditLog.
func (p Paths) AuditPolicy() string { return filepath.Join(p.State, "audit-policy.yaml") }

// AuditLog has a line for each request of a pod, as JSON.
func (p Paths) AuditLog() string { return filepath.Join(p.State, "audit.log") }

// Processes is the folder of the records of processes.
func (p Paths) Processes() string { return filepath.Join(p.State, "processes") }

// Node is the folder of everything that one node keeps over a reboot.
func (p Paths) Node(name string) string { return filepath.Join(p.State, "nodes", name) }
