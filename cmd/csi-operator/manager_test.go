// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestServe runs the whole manager with the operator's account: it leads,
// answers probes, gives metrics to those who may read them, and gives up its Lease.
func TestServe(t *testing.T) {
	const namespace = "csi-operator-system"
	config := startServer(t)
	if err := v1alpha1.AddToScheme(scheme.Scheme); err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	install(t, admin, namespace)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":csi-operator"}

	metrics, probes := freeAddress(t), freeAddress(t)
	o, err := parse([]string{"--namespace=" + namespace, "--leader-elect", "--metrics-bind-address=" + metrics, "--health-probe-bind-address=" + probes},
		func(string) string { return "" }, nil)
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := newManager(t.Context(), config, o)
	if err != nil {
		t.Fatal(err)
	}
	if config.QPS >= 0 {
		t.Errorf("requests are limited to %v a second", config.QPS)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()

	lease := client.ObjectKey{Namespace: namespace, Name: leaderLease}
	await(t, "the Lease has a holder", func() error { return holder(t, admin, lease, true) })
	awaitAnswer(t, "http://"+probes+"/healthz", "", http.StatusOK, "")
	awaitAnswer(t, "http://"+probes+"/readyz", "", http.StatusOK, "")
	scrape := "https://" + metrics + "/metrics"
	awaitAnswer(t, scrape, "", http.StatusUnauthorized, "")
	stranger, reader := account(t, admin, namespace, "stranger"), account(t, admin, namespace, "prometheus")
	awaitAnswer(t, scrape, stranger, http.StatusForbidden, "")
	grant(t, admin, namespace, "prometheus", "metrics_reader_role.yaml")
	awaitAnswer(t, scrape, reader, http.StatusOK, "controller_runtime_max_concurrent_reconciles")
	driver := &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Name: "pool.example.com"}}
	driver.Spec.Bundled = &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pool"}
	if err := admin.Create(t.Context(), driver); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, scrape, reader, http.StatusOK, `csi_operator_driver_condition{condition="SpecValid",driver="pool.example.com",reason="Valid"} 1`)
	used := usedMetrics(t)
	await(t, "metrics of alerts and dashboard", func() error { return exposed(used) })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
	if err := holder(t, admin, lease, false); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

func startServer(t *testing.T) *rest.Config {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: run `make test`, which builds them and sets it")
	}
	env := &envtest.Environment{
		CRDDirectoryPaths:        []string{"../../config/crd/bases"},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	t.Cleanup(func() { // also after half a start
		if err := env.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	config, err := env.Start()
	if err != nil {
		t.Fatalf("starting the API server: %v", err)
	}
	return config
}

// install gives the operator's account the rights that are shipped.
func install(t *testing.T, admin client.Client, namespace string) {
	t.Helper()
	if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	grant(t, admin, namespace, "csi-operator", "role.yaml")
}

// grant gives an account the rights in a file of config/rbac.
func grant(t *testing.T, admin client.Client, namespace, account, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", file))
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(text, role); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: namespace}},
	}
	for _, o := range []client.Object{role, binding} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// account returns a token of a new service account.
func account(t *testing.T, admin client.Client, namespace, name string) string {
	t.Helper()
	a := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	if err := admin.Create(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{}
	if err := admin.SubResource("token").Create(t.Context(), a, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func holder(t *testing.T, c client.Client, key client.ObjectKey, want bool) error {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if err := c.Get(t.Context(), key, lease); err != nil {
		return err
	}
	if h := lease.Spec.HolderIdentity; want != (h != nil && *h != "") {
		return fmt.Errorf("holder is %v", h)
	}
	return nil
}

// awaitAnswer asks with a token, if there is one, until the status is as wanted and
// the body holds a text.
func awaitAnswer(t *testing.T, url, token string, want int, text string) {
	t.Helper()
	unverified := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is made at each start
	}}
	await(t, url, func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := unverified.Do(request)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != want || !strings.Contains(string(body), text) {
			err = errors.Join(err, fmt.Errorf("status %d and %d bytes, want status %d and %q in them", response.StatusCode, len(body), want, text))
		}
		return errors.Join(err, response.Body.Close())
	})
}

func await(t *testing.T, what string, check func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}
