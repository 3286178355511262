// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster starts an API server with an audit log, and makes in it what an
// installation of the operator makes. Nothing runs beside the API server: no
// controller, scheduler or kubelet disturbs a measurement.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/csi-operator/csi-operator/controllers"
	"github.com/csi-operator/csi-operator/test/bench/audit"
)

// Namespace is the operator's, as config/rbac has it, and that of all drivers.
const Namespace = "csi-operator-system"

// The users, each with its own line in the audit log.
const (
	// Admin creates what users create; requests of it are logged where they are about
	// CSIDriverDeployments.
	Admin = "admin"
	// Operator has the ClusterRole that is shipped.
	Operator = "system:serviceaccount:" + Namespace + ":csi-operator"
	// Floor may do everything, as whoever knows no order of roles and bindings must.
	Floor = "system:serviceaccount:" + Namespace + ":floor"
	// LimitedFloor has the operator's ClusterRole.
	LimitedFloor = "system:serviceaccount:" + Namespace + ":limited-floor"
)

// patience is how long the API server may take to start or stop.
const patience = 2 * time.Minute

// policy logs who asked for what, without the objects.
const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["` + Operator + `", "` + Floor + `", "` + LimitedFloor + `"]
- level: Metadata
  users: ["` + Admin + `"]
  resources: [{group: csi-operator.io}]
- level: None
`

// Cluster is a running API server.
type Cluster struct {
	client.Client // with all rights
	Audit         *audit.Log

	env *envtest.Environment
}

// Start needs KUBEBUILDER_ASSETS and a directory for files that live as long as the
// cluster. The caller stops what is returned.
func Start(ctx context.Context, dir string) (*Cluster, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: run `make bench`, which builds them and sets it")
	}
	rules := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(rules, []byte(policy), 0o600); err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	log := filepath.Join(dir, "audit.log")
	c := &Cluster{Audit: audit.Open(log), env: &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join("config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlane:             envtest.ControlPlane{Etcd: &envtest.Etcd{}},
		ControlPlaneStartTimeout: patience,
		ControlPlaneStopTimeout:  patience,
	}}
	// What is measured is software; how long a disk takes would only add noise.
	c.env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	c.env.ControlPlane.GetAPIServer().Configure().Set("audit-policy-file", rules).Set("audit-log-path", log)
	if _, err := c.env.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the API server: %w", err), c.Stop())
	}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Stop ends etcd and the API server.
func (c *Cluster) Stop() error {
	if err := c.env.Stop(); err != nil {
		return fmt.Errorf("stopping the API server: %w", err)
	}
	return nil
}

// ConfigOf is how a user reaches the API server, without a limit of its own.
func (c *Cluster) ConfigOf(user string) (*rest.Config, error) {
	u, err := c.user(user)
	if err != nil {
		return nil, err
	}
	config := u.Config()
	config.QPS = -1
	return config, nil
}

// KubeconfigOf is a file's content for a process of that user.
func (c *Cluster) KubeconfigOf(user string) ([]byte, error) {
	u, err := c.user(user)
	if err != nil {
		return nil, err
	}
	return u.KubeConfig()
}

func (c *Cluster) user(name string) (*envtest.AuthenticatedUser, error) {
	groups := []string{"system:masters"}
	if name != Admin {
		groups = []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace}
	}
	u, err := c.env.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		return nil, fmt.Errorf("adding user %s: %w", name, err)
	}
	return u, nil
}

// prepare makes the operator's namespace, account and rights.
func (c *Cluster) prepare(ctx context.Context) error {
	config, err := c.ConfigOf(Admin)
	if err != nil {
		return err
	}
	scheme, err := controllers.Scheme()
	if err != nil {
		return err
	}
	if c.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	objects, err := installation()
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := c.Create(ctx, o); err != nil {
			return fmt.Errorf("preparing the cluster: %w", err)
		}
	}
	return nil
}
