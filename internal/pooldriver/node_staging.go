// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// staging is one NodeStageVolume at work.
type staging struct {
	*node

	id     string // CSI volume id
	pool   *pool.Pool
	volume pool.Volume
	want   access
	path   string
	marked bool // this node's stage marker stood before the call

	rec      *record
	attached bool
	mounted  bool
	keep     bool   // something was, or may have been, in use before: a failure must not take it away
	letGo    func() // of the device; nil before it is held
}

// newStaging refuses what cannot be staged, before anything is done.
func (n *node) newStaging(id, path string, want access) (*staging, error) {
	p, inPool, err := n.pools.find(id)
	var volume pool.Volume
	if err == nil {
		volume, err = p.Get(inPool)
	}
	if absent(err) || errors.Is(err, pool.ErrForeignPool) {
		return nil, grpcError(err)
	}
	if err != nil {
		return nil, aborted(err)
	}
	s := &staging{node: n, id: id, pool: p, volume: volume, want: want, path: path, marked: n.marked(volume)}
	if err := want.fits(volume); err != nil {
		return nil, err
	}
	if err := n.checkStagingPath(path); err != nil {
		if s.marked {
			return nil, aborted(err)
		}
		return nil, grpcError(err)
	}
	return s, nil
}

// mark sets the stage marker, durably, before anything touches the image.
func (s *staging) mark(ctx context.Context) error {
	volume, err := s.pool.Stage(s.volume.ID, s.name, s.instance)
	switch {
	case err == nil:
		s.volume = volume
		s.want.readOnly = s.want.readOnly || volume.Grant != nil && volume.Grant.ReadOnly
		return nil
	case s.marked:
		return aborted(err)
	case absent(err), errors.Is(err, pool.ErrNotGranted), errors.Is(err, pool.ErrStaged):
		return grpcError(err)
	}
	// The marker may stand in spite of the error.
	return s.undo(ctx, grpcError(err))
}

func (s *staging) run(ctx context.Context) error {
	defer func() {
		if s.letGo != nil {
			s.letGo()
		}
	}()
	steps := []func(context.Context) error{s.look, s.ensureAttached}
	if !s.want.block {
		steps = append(steps, s.ensureMounted, s.grow)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undo returns the cause if nothing is left. Otherwise it is ABORTED: after any other
// code the kubelet forgets a volume that it does not know to be staged, never
// unstages it, and the stage marker binds the volume to this node for ever.
func (s *staging) undo(ctx context.Context, cause error) error {
	if s.keep {
		if status.Code(cause) == codes.AlreadyExists {
			return cause // staged differently: whoever did that knows
		}
		return aborted(cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.unstage(ctx, s.id, s.path); err != nil {
		return status.Errorf(codes.Aborted, "%s; cleaning up failed too: %s", status.Convert(cause).Message(), status.Convert(grpcError(err)).Message())
	}
	return cause
}

// aborted is ABORTED with the text that the error has otherwise.
func aborted(err error) error {
	return status.Error(codes.Aborted, status.Convert(grpcError(err)).Message())
}
