// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/controllers"
)

// account is the operator's ServiceAccount, as config/rbac binds it.
const (
	account          = "csi-operator"
	accountNamespace = "csi-operator-system"
)

// root is where the module's files are.
var root = filepath.Join("..", "..")

// cluster is the API server, with all rights.
type cluster struct {
	client.Client

	config *rest.Config
}

// startCluster starts an API server and makes in it what an installation of the
// operator makes, and the namespaces of the drivers.
func startCluster(t *testing.T, namespaces ...string) *cluster {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: run `make test`, which builds them and sets it")
	}
	log.SetLogger(logr.Discard()) // of the test's own client
	env := &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlane:             envtest.ControlPlane{Etcd: &envtest.Etcd{}},
		ControlPlaneStartTimeout: 2 * patience,
		ControlPlaneStopTimeout:  patience,
	}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	t.Cleanup(func() { // also after half a start
		if err := env.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	config, err := env.Start()
	if err != nil {
		t.Fatalf("starting the API server: %v", err)
	}
	config.QPS = -1
	scheme, err := controllers.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{config: config}
	if c.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	c.install(t)
	for _, name := range append(namespaces, accountNamespace) {
		c.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return c
}

// install gives the operator's account the rights that are shipped.
func (c *cluster) install(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "config", "rbac", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(text, role); err != nil {
		t.Fatal(err)
	}
	c.create(t, role)
	c.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: accountNamespace}},
	})
}

func (c *cluster) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
}

// kubeconfig writes a kubeconfig of the operator's account and returns its path.
func (c *cluster) kubeconfig(t *testing.T) string {
	t.Helper()
	const name = "operator"
	k := clientcmdapi.NewConfig()
	k.Clusters[name] = &clientcmdapi.Cluster{Server: c.config.Host, CertificateAuthorityData: c.config.CAData}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: c.config.CertData,
		ClientKeyData:         c.config.KeyData,
		Impersonate:           fmt.Sprintf("system:serviceaccount:%s:%s", accountNamespace, account),
		ImpersonateGroups:     []string{"system:serviceaccounts", "system:serviceaccounts:" + accountNamespace, "system:authenticated"},
	}
	k.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	k.CurrentContext = name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*k, path); err != nil {
		t.Fatal(err)
	}
	return path
}
