// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// server is the one API server of this package's tests, restConfig how clients reach it,
// and kubeconfig the file by which kubectl finds it.
var (
	server     client.Client
	restConfig *rest.Config
	kubeconfig string
)

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: run `make test`, which builds them and sets it")
	}
	env := &envtest.Environment{
		CRDDirectoryPaths:        []string{"../../config/crd/bases"},
		ErrorIfCRDPathMissing:    true,
		ControlPlane:             envtest.ControlPlane{Etcd: &envtest.Etcd{}},
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	defer func() { err = errors.Join(err, env.Stop()) }() // also after half a start
	restConfig, err = env.Start()
	if err != nil {
		return 1, fmt.Errorf("starting the API server: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return 1, err
	}
	restConfig.QPS = -1
	if server, err = client.New(restConfig, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	if kubeconfig, err = writeKubeconfig(env); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.Remove(kubeconfig)) }()
	return m.Run(), nil
}

func writeKubeconfig(env *envtest.Environment) (string, error) {
	user, err := env.AddUser(envtest.User{Name: "kubectl", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return "", fmt.Errorf("adding a user: %w", err)
	}
	text, err := user.KubeConfig()
	if err != nil {
		return "", fmt.Errorf("making a kubeconfig: %w", err)
	}
	f, err := os.CreateTemp("", "kubeconfig-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return f.Name(), errors.Join(err, f.Close())
}
