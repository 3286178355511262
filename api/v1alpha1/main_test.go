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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// server is the one API server of this package's tests.
var server client.Client

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
	config, err := env.Start()
	if err != nil {
		return 1, fmt.Errorf("starting the API server: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return 1, err
	}
	config.QPS = -1
	if server, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
