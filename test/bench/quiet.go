// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/test/bench/audit"
)

// pokeEvery is how often the operator is provoked.
const pokeEvery = 250 * time.Millisecond

// quiet provokes reconciles for a while, by edits that are none of the operator's
// business, and looks at what comes of them.
func (s *steady) quiet(ctx context.Context) error {
	tell("provoking the operator for %s", s.window)
	before, err := s.operator.Reconciles(ctx)
	if err != nil {
		return err
	}
	pokes := 0
	sent, err := s.during(ctx, func() (err error) {
		pokes, err = s.poke(ctx)
		return err
	})
	if err != nil {
		return err
	}
	after, err := s.operator.Reconciles(ctx)
	if err != nil {
		return err
	}
	if after == before {
		return errors.New("nothing provoked a reconcile")
	}
	note := fmt.Sprintf("%d edits, %d reconciles in %s", pokes, after-before, s.window)
	s.report.count(4, "writes in steady state", sent.Where(audit.Record.Write), 0, note)
	s.report.count(4, "reads in steady state", sent.Where(audit.Record.Read), 0, note)
	return nil
}

// poke edits one object after the other until the window ends: every object that
// the operator applies, the driver itself, a pod of it, a CSINode.
func (s *steady) poke(ctx context.Context) (edits int, err error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return 0, err
	}
	end := time.Now().Add(s.window)
	err = wait.PollUntilContextCancel(ctx, pokeEvery, true, func(ctx context.Context) (bool, error) {
		err := s.annotate(ctx, targets[edits%len(targets)], edits)
		edits++
		return time.Now().After(end), err
	})
	return edits, err
}

// targets are what poke edits.
func (s *steady) targets(ctx context.Context) ([]client.Object, error) {
	owned, err := s.owned(ctx)
	if err != nil {
		return nil, err
	}
	targets := []client.Object{driver(s.name), s.pod(s.names.controller, steadyNodes()[0]), csiNode(steadyNodes()[0])}
	for _, o := range owned {
		targets = append(targets, o)
	}
	return targets, nil
}

// annotate gives an object an annotation that nobody reads.
func (s *steady) annotate(ctx context.Context, o client.Object, i int) error {
	return s.merge(ctx, o, fmt.Sprintf(`{"metadata":{"annotations":{"bench.example.com/beat":"%d"},"labels":{"bench":"%d"}}}`, i, i))
}

// merge sends a merge patch and leaves the object as it is.
func (s *steady) merge(ctx context.Context, o client.Object, patch string, options ...client.PatchOption) error {
	target, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	if err := s.cluster.Patch(ctx, target, mergePatch(patch), options...); err != nil {
		return fmt.Errorf("patching %T %s: %w", o, o.GetName(), err)
	}
	return nil
}
