// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/controllers"
	"github.com/csi-operator/csi-operator/internal/metrics"
)

// leaderLease is the Lease that replicas of the operator compete for.
const leaderLease = "csi-operator"

// showDrivers makes the status of all drivers a part of /metrics, as long as it runs, which
// is as long as this replica leads: numbers of two replicas would add up.
func showDrivers(reader client.Reader) func(context.Context) error {
	return func(ctx context.Context) error {
		collector := metrics.New(func(ctx context.Context) ([]v1alpha1.CSIDriverDeployment, error) {
			list := &v1alpha1.CSIDriverDeploymentList{}
			err := reader.List(ctx, list)
			return list.Items, err
		})
		if err := ctrlmetrics.Registry.Register(collector); err != nil {
			return fmt.Errorf("registering the metrics of drivers: %w", err)
		}
		<-ctx.Done()
		ctrlmetrics.Registry.Unregister(collector)
		return nil
	}
}

// newManager wires the controller and its endpoints.
func newManager(ctx context.Context, config *rest.Config, o options) (manager.Manager, error) {
	scheme, err := controllers.Scheme()
	if err != nil {
		return nil, err
	}
	cache, err := controllers.CacheOptions()
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the API server's own fairness is the limit
	mgr, err := ctrl.NewManager(config, manager.Options{
		Scheme: scheme,
		Cache:  cache,
		Metrics: metricsserver.Options{
			BindAddress:    o.metricsAddress,
			SecureServing:  true,
			FilterProvider: guarded,
		},
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaderLease,
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	if err := controllers.Add(ctx, mgr, o.facts()); err != nil {
		return nil, err
	}
	if err := mgr.Add(manager.RunnableFunc(showDrivers(mgr.GetClient()))); err != nil {
		return nil, fmt.Errorf("adding the metrics of drivers: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding /healthz: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding /readyz: %w", err)
	}
	return mgr, nil
}
