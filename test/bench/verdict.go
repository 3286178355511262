// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/test/bench/audit"
)

const (
	manyBeats       = 100
	manyAnnotations = 20
)

// beats changes of the workloads' status what controllers change all the time.
func (s *steady) beats(ctx context.Context) error {
	tell("patching the status of both workloads %d times", manyBeats)
	sent, err := s.during(ctx, func() error {
		for i := range manyBeats {
			beat := fmt.Sprintf(`{"status":{"conditions":[{"type":"Progressing","status":"True","reason":"Beat","message":"%d"}]}}`, i)
			for _, o := range []client.Object{s.deployment(), s.daemonSet()} {
				if err := s.patchStatus(ctx, o, beat); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.report.count(5, fmt.Sprintf("writes after %d status patches of each workload", manyBeats), sent, 0, "")
	return nil
}

func (s *steady) patchStatus(ctx context.Context, o client.Object, patch string) error {
	if err := s.cluster.Status().Patch(ctx, o, mergePatch(patch)); err != nil {
		return fmt.Errorf("patching the status of %T: %w", o, err)
	}
	return nil
}

// annotations changes what bumps a workload's generation and means nothing.
func (s *steady) annotations(ctx context.Context) error {
	tell("annotating both workloads %d times", manyAnnotations)
	sent, err := s.during(ctx, func() error {
		for i := range manyAnnotations {
			for _, o := range []client.Object{s.deployment(), s.daemonSet()} {
				if err := s.annotate(ctx, o, i); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.report.count(5, fmt.Sprintf("writes after %d annotations of each workload", manyAnnotations), sent, 0, "")
	return nil
}

// verdicts makes one pod stop being ready, and be it again: two verdicts, each with
// all that a pod's containers change.
func (s *steady) verdicts(ctx context.Context) error {
	pod := s.pod(s.names.controller, steadyNodes()[0])
	if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
		return fmt.Errorf("reading a pod: %w", err)
	}
	most, events := audit.Records{}, 0
	for _, ready := range []bool{false, true} {
		tell("changing a verdict: a pod is ready: %v", ready)
		sent, err := s.during(ctx, func() error { return s.changeVerdict(ctx, func() error { return s.setReady(ctx, pod, ready) }) })
		if err != nil {
			return err
		}
		events += len(sent.Where(audit.Record.Event))
		if sent = sent.Where(audit.Not(audit.Record.Event)); len(sent) > len(most) {
			most = sent
		}
	}
	s.report.count(5, "writes for a changed verdict", most, 1, fmt.Sprintf("%d events for two verdicts", events))
	return nil
}

// changeVerdict does something and waits until the operator has told of it.
func (s *steady) changeVerdict(ctx context.Context, do func() error) error {
	mark, err := s.cluster.Audit.Mark()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return await(ctx, "the status tells of a changed verdict", func() error {
		records, err := s.cluster.Audit.Since(mark)
		if err == nil && !slices.ContainsFunc(records, isStatus) {
			err = fmt.Errorf("no status was written")
		}
		return err
	})
}
