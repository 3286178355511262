// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/hack/internal/cgroup"
	"github.com/csi-operator/csi-operator/hack/internal/loopdev"
	"github.com/csi-operator/csi-operator/hack/internal/mounts"
	"github.com/csi-operator/csi-operator/hack/internal/network"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// endTimeout is how long the kernel may take for each part of Down.
const endTimeout = 60 * time.Second

// Down removes everything of the cluster from the machine, whatever is left of
// it; with keepPools the folder of the pools stays. It can be called again.
func (c *Cluster) Down(ctx context.Context, keepPools bool) error {
	if err := c.endProcesses(ctx); err != nil {
		return err
	}
	if err := network.Remove(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if err := cgroup.Remove(ctx, plan.Control); err != nil {
		return err
	}
	if err := c.unmount(); err != nil {
		return err
	}
	return c.removeFolders(keepPools)
}

// endProcesses ends every process that carries the cluster's marker, with all
// that run in the nodes, and detaches the loop devices that these leave. It does
// not rely on records, which a crash may have kept from being written.
func (c *Cluster) endProcesses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	marked, err := process.Marked(c.paths.State)
	if err != nil {
		return err
	}
	// While the nodes live the kernel tells what they have mounted, and whole
	// paths of backing files.
	before, err := c.devices(marked)
	if err != nil {
		return err
	}
	if err := process.End(ctx, 0, marked...); err != nil {
		return err
	}
	c.awaitCollected(ctx, marked)
	after, err := c.devices(nil)
	if err != nil {
		return err
	}
	return loopdev.Detach(ctx, append(before, after...)...)
}

// collectTimeout is how long the machine's first process may take to collect
// processes that have ended. Some never do, and they do no harm.
const collectTimeout = 5 * time.Second

func (c *Cluster) awaitCollected(ctx context.Context, processes []process.Identity) {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	if err := process.AwaitCollected(ctx, processes...); err != nil {
		c.printer.Say("the machine's first process does not collect processes that have ended: %v", err)
	}
}

// devices returns the loop devices on files of the cluster, and those that the
// processes have mounted in a namespace of their own.
func (c *Cluster) devices(processes []process.Identity) ([]loopdev.Device, error) {
	attached, err := loopdev.Attached()
	if err != nil {
		return nil, err
	}
	found, err := loopdev.BackedBelow(attached, c.paths.State, plan.PoolsDir)
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		table, err := mounts.Of(p.PID)
		if err != nil {
			continue // it has ended, and its mounts with it
		}
		own, err := loopdev.UsedOnlyBy(attached, table)
		if err != nil {
			return nil, err
		}
		found = append(found, own...)
	}
	return found, nil
}

// hostMounts returns what is mounted, on the machine itself, in the cluster's
// folders. The cluster mounts nothing there.
func (c *Cluster) hostMounts() ([]mounts.Mount, error) {
	all, err := mounts.Own()
	if err != nil {
		return nil, err
	}
	return append(mounts.Below(all, c.paths.State), mounts.Below(all, plan.PoolsDir)...), nil
}

// unmount frees the cluster's folders, so that what is mounted there is not
// taken for the cluster's own and deleted.
func (c *Cluster) unmount() error {
	found, err := c.hostMounts()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(found) {
		if err := unix.Unmount(m.Point, 0); err != nil {
			return fmt.Errorf("unmounting %q: %w: end what uses it", m.Point, err)
		}
	}
	return nil
}

// removeFolders removes the state last: it tells which other folders are the
// cluster's.
func (c *Cluster) removeFolders(keepPools bool) error {
	if !keepPools {
		if err := os.RemoveAll(plan.PoolsDir); err != nil {
			return fmt.Errorf("removing the pools: %w", err)
		}
	}
	s, err := load(c.paths)
	if err == nil {
		removeEmpty(s.CreatedFolders)
	}
	if err := os.RemoveAll(c.paths.State); err != nil {
		return fmt.Errorf("removing the state of the cluster: %w", err)
	}
	return nil
}

// removeEmpty removes the folders that are empty; by now another program may
// have put something into one, which then stays.
func removeEmpty(folders []string) {
	for _, folder := range folders {
		_ = os.Remove(folder)
	}
}

// Leftovers returns what there is of the cluster on the machine, in words.
func (c *Cluster) Leftovers(ctx context.Context) ([]string, error) {
	found, err := c.remains(ctx)
	return append(found, leftFolder(plan.PoolsDir)...), err
}

// remains is Leftovers without the folder of the pools, which a new cluster may
// take over.
func (c *Cluster) remains(ctx context.Context) ([]string, error) {
	found, err := network.Leftovers(ctx)
	if err != nil {
		return nil, err
	}
	for _, look := range []func() ([]string, error){
		c.leftProcesses, c.leftMounts, c.leftDevices, leftGroups,
	} {
		more, err := look()
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return append(found, leftFolder(c.paths.State)...), nil
}

func (c *Cluster) leftProcesses() ([]string, error) {
	marked, err := process.Marked(c.paths.State)
	if err != nil {
		return nil, err
	}
	return describe(marked, func(p process.Identity) string { return fmt.Sprintf("process %d", p.PID) }), nil
}

func (c *Cluster) leftMounts() ([]string, error) {
	found, err := c.hostMounts()
	return describe(found, func(m mounts.Mount) string { return "mount " + m.Point }), err
}

func (c *Cluster) leftDevices() ([]string, error) {
	found, err := c.devices(nil)
	return describe(found, func(d loopdev.Device) string { return d.Path() + " on " + d.BackingFile }), err
}

func leftGroups() ([]string, error) {
	found, err := cgroup.Existing(plan.Control)
	return describe(found, func(dir string) string { return "control group " + dir }), err
}

func leftFolder(folder string) []string {
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return []string{"folder " + folder}
}

func describe[T any](all []T, text func(T) string) []string {
	described := make([]string, len(all))
	for i, one := range all {
		described[i] = text(one)
	}
	return described
}
