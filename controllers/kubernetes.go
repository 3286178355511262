// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// lookForUpgrade is how often the release of Kubernetes is read: no watch tells of it.
const lookForUpgrade = 10 * time.Minute

// kubernetes is the release of the cluster, by which the versions of the sidecars are
// chosen.
type kubernetes struct {
	server discovery.ServerVersionInterface
	minor  atomic.Int64
}

// look reads the release, and tells whether it is a newer one. An older one is not
// followed: while the API servers are upgraded one after the other, both answer.
func (k *kubernetes) look() (news bool, err error) {
	info, err := k.server.ServerVersion()
	if err != nil {
		return false, fmt.Errorf("reading the version of Kubernetes: %w", err)
	}
	minor := minorOf(info.GitVersion)
	if minor <= k.minor.Load() {
		return false, nil
	}
	k.minor.Store(minor)
	return true, nil
}

// minorOf is the minor release of Kubernetes 1; 0 for a version that tells none.
func minorOf(gitVersion string) int64 {
	v, err := version.ParseGeneric(gitVersion)
	if err != nil || v.Major() != 1 {
		return 0
	}
	return int64(v.Minor())
}

// followUpgrades looks for an upgrade of Kubernetes as long as this replica works. The first
// look is that of acquaint, so that the first driver need not wait for it.
func (r *Reconciler) followUpgrades(ctx context.Context) error {
	if err := r.acquaint(ctx); err != nil {
		log.FromContext(ctx).Error(err, "Looking at the cluster")
	}
	err := wait.PollUntilContextCancel(ctx, lookForUpgrade, false, func(ctx context.Context) (bool, error) {
		if err := r.followUpgrade(ctx); err != nil {
			log.FromContext(ctx).Error(err, "Looking for an upgrade of Kubernetes")
		}
		return false, nil
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the operator ends
	}
	return err
}

// followUpgrade has every driver reconciled if Kubernetes was upgraded, or serves a kind
// that has no CustomResourceDefinition, of which no event tells.
func (r *Reconciler) followUpgrade(ctx context.Context) error {
	news, err := r.kubernetes.look()
	if err != nil {
		return err
	}
	if news {
		log.FromContext(ctx).Info("Kubernetes was upgraded", "minor", r.kubernetes.minor.Load())
		if err := r.wakeAll(ctx); err != nil {
			return err
		}
	}
	for _, kind := range optionalKinds() {
		if crdOf(kind) != "" {
			continue
		}
		if err := r.turn(ctx, kind, true); err != nil {
			return err
		}
	}
	return nil
}
