// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

// Names of the files below the PKI folder; those that name a pair lack ".crt"
// and ".key", kubeconfigs end in ".kubeconfig".
const (
	CA                = "ca.crt"
	ServiceAccount    = "service-account.key"
	ServiceAccountPub = "service-account.pub"
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	APIServerClient   = "kube-apiserver-client"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// masters is the group that may do everything.
const masters = "system:masters"

// Write makes all credentials of the cluster: certificates below paths.PKI(),
// and the administrator's kubeconfig.
func Write(paths plan.Paths, nodes []plan.Node) error {
	if err := os.MkdirAll(paths.PKI(), 0o700); err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	authority, err := NewAuthority("csi-operator-local")
	if err != nil {
		return err
	}
	w := writer{authority: authority, dir: paths.PKI()}
	if err := w.file(CA, authority.Certificate(), nil); err != nil {
		return err
	}
	private, public, err := SigningKey()
	if err := w.file(ServiceAccount, private, err); err != nil {
		return err
	}
	if err := w.file(ServiceAccountPub, public, nil); err != nil {
		return err
	}
	for name, subject := range servers(nodes) {
		if err := w.pair(name, subject); err != nil {
			return err
		}
	}
	for name, subject := range clients(nodes) {
		if err := w.kubeconfig(name+".kubeconfig", subject); err != nil {
			return err
		}
	}
	w.dir = paths.State
	return w.kubeconfig(filepath.Base(paths.Kubeconfig()), Subject{User: "admin", Groups: []string{masters}})
}

// servers are the owners of certificate files: servers, and clients without a
// kubeconfig.
func servers(nodes []plan.Node) map[string]Subject {
	all := map[string]Subject{
		Etcd:            {User: Etcd, Hosts: []string{plan.EtcdAddress, "localhost"}},
		APIServerClient: {User: APIServer, Groups: []string{masters}},
		APIServer: {User: APIServer, Hosts: []string{
			plan.HostAddress, plan.KubernetesAddress, "127.0.0.1", "localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}},
	}
	for _, n := range nodes {
		all[n.Name] = Subject{User: "system:node:" + n.Name, Groups: []string{"system:nodes"},
			Hosts: []string{n.Name, n.Address.String()}}
	}
	return all
}

func clients(nodes []plan.Node) map[string]Subject {
	all := map[string]Subject{
		ControllerManager: {User: "system:" + ControllerManager},
		Scheduler:         {User: "system:" + Scheduler},
	}
	for _, n := range nodes {
		all[n.Name] = Subject{User: "system:node:" + n.Name, Groups: []string{"system:nodes"}}
	}
	return all
}

type writer struct {
	authority *Authority
	dir       string
}

// file writes content unless the making of it has failed with err.
func (w writer) file(name string, content []byte, err error) error {
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, name), content, 0o600); err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	return nil
}

func (w writer) pair(name string, s Subject) error {
	pair, err := w.authority.Issue(s)
	if err := w.file(name+".crt", pair.Certificate, err); err != nil {
		return err
	}
	return w.file(name+".key", pair.Key, nil)
}

func (w writer) kubeconfig(name string, s Subject) error {
	pair, err := w.authority.Issue(s)
	if err != nil {
		return err
	}
	content, err := Kubeconfig(plan.APIServerURL(), s.User, w.authority.Certificate(), pair)
	return w.file(name, content, err)
}
