// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

func write(t *testing.T) plan.Paths {
	t.Helper()
	paths := plan.Paths{State: t.TempDir()}
	if err := Write(paths, plan.Nodes(2)); err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestServersAreTrustedByTheirAddresses(t *testing.T) {
	paths := write(t)
	authority, err := os.ReadFile(filepath.Join(paths.PKI(), CA))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("no certificate in the authority's file")
	}
	cases := map[string]struct{ name, host string }{
		"APIServer":          {name: APIServer, host: plan.HostAddress},
		"APIServerInCluster": {name: APIServer, host: plan.KubernetesAddress},
		"Etcd":               {name: Etcd, host: plan.EtcdAddress},
		"Kubelet":            {name: "node-b", host: "10.189.0.12"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			base := filepath.Join(paths.PKI(), tc.name)
			pair, err := tls.LoadX509KeyPair(base+".crt", base+".key")
			if err != nil {
				t.Fatal(err)
			}
			for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				options := x509.VerifyOptions{Roots: roots, DNSName: tc.host, KeyUsages: []x509.ExtKeyUsage{usage}}
				if _, err := pair.Leaf.Verify(options); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestKubeconfigs(t *testing.T) {
	paths := write(t)
	cases := map[string]struct{ path, user, group string }{
		"Admin":   {path: paths.Kubeconfig(), user: "admin", group: "system:masters"},
		"Kubelet": {path: filepath.Join(paths.PKI(), "node-a.kubeconfig"), user: "system:node:node-a", group: "system:nodes"},
		"Scheduler": {
			path: filepath.Join(paths.PKI(), Scheduler+".kubeconfig"), user: "system:kube-scheduler",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			var config kubeconfig
			if err := yaml.UnmarshalStrict(content, &config); err != nil {
				t.Fatal(err)
			}
			if server := config.Clusters[0].Cluster.Server; server != plan.APIServerURL() {
				t.Errorf("the server is %q", server)
			}
			pair, err := tls.X509KeyPair(config.Users[0].User.Certificate, config.Users[0].User.Key)
			if err != nil {
				t.Fatal(err)
			}
			subject := pair.Leaf.Subject
			if subject.CommonName != tc.user {
				t.Errorf("the user is %q, want %q", subject.CommonName, tc.user)
			}
			if tc.group != "" && (len(subject.Organization) != 1 || subject.Organization[0] != tc.group) {
				t.Errorf("the groups are %q, want %q", subject.Organization, tc.group)
			}
		})
	}
}

func TestCredentialsAreTheOwnersAlone(t *testing.T) {
	paths := write(t)
	err := filepath.WalkDir(paths.State, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
