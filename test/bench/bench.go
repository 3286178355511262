// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
	"github.com/csi-operator/csi-operator/test/bench/process"
)

const (
	driverImage   = "pool.example.com/csi-pool-driver:" + driverVersion
	driverVersion = "v1.2.3"
)

// facts are what the operator knows by its flags, so that the floor renders the
// same objects.
var facts = desired.Facts{OperatorNamespace: cluster.Namespace, PoolDriverImage: driverImage, DriverVersion: driverVersion}

// bench is one run.
type bench struct {
	options

	dir       string // for files that live as long as this
	cluster   *cluster.Cluster
	apiserver int // its process
	shipped   process.Config
	report    *report
}

// start starts the API server; dir is for files that live as long.
func start(ctx context.Context, o options, dir string) (*bench, error) {
	b := &bench{options: o, dir: dir, report: newReport(o)}
	return b, b.startCluster(ctx)
}

// startCluster starts an API server with nothing in it, in a directory of its own.
func (b *bench) startCluster(ctx context.Context) (err error) {
	tell("starting the API server")
	dir, err := os.MkdirTemp(b.dir, "cluster-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	c, err := cluster.Start(ctx, dir)
	if err != nil {
		return err
	}
	b.cluster = c
	defer func() {
		if err != nil {
			err = errors.Join(err, b.stop())
		}
	}()
	if b.apiserver, err = process.Child("kube-apiserver"); err != nil {
		return err
	}
	kubeconfig, err := c.KubeconfigOf(cluster.Operator)
	if err != nil {
		return err
	}
	token, err := c.ScraperToken(ctx)
	if err != nil {
		return err
	}
	b.shipped = process.Config{
		Binary: b.binary, Kubeconfig: filepath.Join(dir, "kubeconfig"), Namespace: cluster.Namespace, DriverImage: driverImage,
		Log: filepath.Join(dir, "operator.log"), Token: token,
	}
	return os.WriteFile(b.shipped.Kubeconfig, kubeconfig, 0o600)
}

// stop stops the API server, if one runs.
func (b *bench) stop() error {
	if b.cluster == nil {
		return nil
	}
	c := b.cluster
	b.cluster = nil
	return c.Stop()
}

// renew goes on with a new API server.
func (b *bench) renew(ctx context.Context) error {
	if err := b.stop(); err != nil {
		return err
	}
	return b.startCluster(ctx)
}

// part is what can be measured without the rest.
type part struct {
	name string
	do   func(context.Context) error
}

// parts are all there is to measure, in an order that leaves the API server small until
// the last ones.
func (b *bench) parts() []part {
	return []part{
		{partInstallations, b.installations},
		{partSteady, b.steadyState},
		{partSize, b.size},
		{partMemory, b.memoryUse},
		{partManyNodes, b.manyNodes},
	}
}

// all measures everything that was asked for.
func (b *bench) all(ctx context.Context) error {
	used := false
	for _, p := range b.parts() {
		if !b.asks(p.name) {
			continue
		}
		if p.name == partManyNodes && used { // which begins with nothing, and no crowd
			if err := b.renew(ctx); err != nil {
				return err
			}
		}
		if err := p.do(ctx); err != nil {
			return fmt.Errorf("part %s: %w", p.name, err)
		}
		if err := b.cluster.Wipe(ctx); err != nil {
			return err
		}
		used = true
	}
	b.report.finish()
	return nil
}

// startOperator starts the operator and waits until it has read all it watches.
func (b *bench) startOperator(ctx context.Context) (*process.Operator, error) {
	mark, err := b.cluster.Audit.Mark()
	if err != nil {
		return nil, err
	}
	o, err := process.Start(b.shipped)
	if err != nil {
		return nil, err
	}
	err = await(ctx, "the operator watches", func() error {
		records, err := b.cluster.Audit.Since(mark)
		if err != nil {
			return err
		}
		return watches(records, cluster.Operator, "csidriverdeployments")
	})
	if err == nil {
		err = b.calm(ctx, cluster.Operator, mark)
	}
	if err != nil {
		return nil, errors.Join(err, o.Stop(ctx))
	}
	return o, nil
}

// lastWords is the end of the operator's log, for the error of a run that failed.
func (b *bench) lastWords() error {
	const most = 4000
	text, err := os.ReadFile(b.shipped.Log)
	if err != nil {
		return err
	}
	return fmt.Errorf("the operator's log ends with\n%s", text[max(0, len(text)-most):])
}

// driver is a CSIDriverDeployment of defaults.
func driver(name string) *v1alpha1.CSIDriverDeployment {
	return &v1alpha1.CSIDriverDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.CSIDriverDeploymentSpec{
			Bundled: &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pools/bench"},
		},
	}
}

// tell shows what is going on.
func tell(format string, args ...any) {
	fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
