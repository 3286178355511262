// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
	"github.com/csi-operator/csi-operator/test/bench/process"
)

// steady is a driver that is deployed and Ready, with an operator that is at rest.
type steady struct {
	*bench

	operator *process.Operator
	name     string
	names    workloads
}

// steadyState measures targets 4 to 6.
func (b *bench) steadyState(ctx context.Context) (err error) {
	s := &steady{bench: b, name: "steady.bench.example.com"}
	s.names = workloadsOf(s.name)
	if s.operator, err = b.startOperator(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.operator.Stop(ctx)) }()
	if _, err := b.install(ctx, cluster.Operator, 0, []string{s.name}); err != nil {
		return err
	}
	tell("making driver %s healthy", s.name)
	if _, err := s.during(ctx, func() error { return s.makeHealthy(ctx) }); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{s.quiet, s.restart, s.beats, s.annotations, s.verdicts, s.drift} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// during returns what the operator sent while something was done, and until it was
// calm again, apart from watches, leases and what reading metrics costs.
func (s *steady) during(ctx context.Context, do func() error) (audit.Records, error) {
	mark, err := s.cluster.Audit.Mark()
	if err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	if err := s.calm(ctx, cluster.Operator, mark); err != nil {
		return nil, err
	}
	records, err := s.cluster.Audit.Since(mark)
	return records.Where(audit.By(cluster.Operator), audit.Not(audit.Record.Watch), audit.Not(audit.Record.Housekeeping)), err
}

// restart looks at what a new process sends when all is as it should be.
func (s *steady) restart(ctx context.Context) error {
	tell("restarting the operator")
	if err := s.operator.Stop(ctx); err != nil {
		return err
	}
	sent, err := s.during(ctx, func() error {
		started, err := s.startOperator(ctx)
		if err == nil {
			s.operator = started
		}
		return err
	})
	if err != nil {
		return err
	}
	reconciles, err := s.operator.Reconciles(ctx)
	if err != nil {
		return err
	}
	if reconciles == 0 {
		return errors.New("the new operator has reconciled nothing")
	}
	s.report.count(4, "writes of a restart", sent.Where(audit.Record.Write), 0, fmt.Sprintf("%d reconciles", reconciles))
	return nil
}
