// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/csi-operator/csi-operator/test/bench/audit"
)

const (
	// patience is how long something may take before the run fails.
	patience = 3 * time.Minute
	// glance is how often it is looked at; more often would disturb what is measured.
	glance = 50 * time.Millisecond
	// rest is how long nothing is sent before a client counts as calm.
	rest = 1500 * time.Millisecond
)

// await polls until check has no error.
func await(ctx context.Context, what string, check func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, glance, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until %s: %w: %w", what, err, last)
	}
	return nil
}

// calm waits until a user has sent nothing for a while; only what stands behind a
// mark of the audit log is looked at.
func (b *bench) calm(ctx context.Context, user string, mark int) error {
	count, since := -1, time.Now()
	return await(ctx, user+" is calm", func() error {
		records, err := b.cluster.Audit.Since(mark)
		if err != nil {
			return err
		}
		if now := len(records.Where(audit.By(user), audit.Not(audit.Record.Housekeeping))); now != count {
			count, since = now, time.Now()
		}
		if time.Since(since) < rest {
			return fmt.Errorf("%d requests so far", count)
		}
		return nil
	})
}

// watches is an error until a user watches a resource.
func watches(records audit.Records, user, resource string) error {
	if slices.ContainsFunc(records, func(r audit.Record) bool { return r.User == user && r.Watch() && r.Resource == resource }) {
		return nil
	}
	return fmt.Errorf("%s does not watch %s yet", user, resource)
}
