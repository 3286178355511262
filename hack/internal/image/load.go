// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/csi-operator/csi-operator/hack/internal/node"
)

// Load imports the archive on the nodes that do not have its images yet and
// returns the names of those nodes.
func Load(ctx context.Context, archive string, nodes []*node.Node) ([]string, error) {
	references, err := References(archive)
	if err != nil {
		return nil, err
	}
	imported := make([]bool, len(nodes))
	problems := make([]error, len(nodes))
	var running sync.WaitGroup
	for i, n := range nodes {
		running.Go(func() { imported[i], problems[i] = load(ctx, archive, references, n) })
	}
	running.Wait()
	var names []string
	for i, n := range nodes {
		if imported[i] {
			names = append(names, n.Name())
		}
	}
	return names, errors.Join(problems...)
}

func load(ctx context.Context, archive string, references []Reference, n *node.Node) (imported bool, err error) {
	missing, err := lacks(ctx, references, n)
	if err != nil || !missing {
		return false, err
	}
	if _, err := n.Ctr(ctx, "images", "import", archive); err != nil {
		return false, fmt.Errorf("importing %q on %s: %w", archive, n.Name(), err)
	}
	missing, err = lacks(ctx, references, n)
	if err == nil && missing {
		err = fmt.Errorf("importing %q on %s: its images are not there afterwards", archive, n.Name())
	}
	return true, err
}

// lacks reports whether the node lacks one of the images, in this very content.
func lacks(ctx context.Context, references []Reference, n *node.Node) (bool, error) {
	for _, reference := range references {
		list, err := n.Ctr(ctx, "images", "list", "name=="+reference.Name)
		if err != nil {
			return false, fmt.Errorf("listing the images of %s: %w", n.Name(), err)
		}
		if !strings.Contains(list, reference.Digest) {
			return true, nil
		}
	}
	return false, nil
}
