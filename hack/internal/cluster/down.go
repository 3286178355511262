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
	"strings"
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
// it; with keepPools the folder of the pools stays. It goes on after a failure, so
// that as little as possible is left, but deletes no folder that is still in use.
// It can be called again.
func (c *Cluster) Down(ctx context.Context, keepPools bool) error {
	problems := []error{
		c.endProcesses(ctx),
		network.Remove(ctx),
		within(ctx, func(ctx context.Context) error { return cgroup.Remove(ctx, plan.Control) }),
		c.unmount(),
	}
	if err := c.checkUnused(); err != nil {
		return errors.Join(append(problems, err)...)
	}
	return errors.Join(append(problems, c.removeFolders(keepPools))...)
}

// within runs one part of Down, which may take endTimeout.
func within(ctx context.Context, part func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	return part(ctx)
}

// endProcesses ends every process that carries the cluster's marker, with all
// that run in the nodes, and detaches the loop devices that these leave. It does
// not rely on records, which a crash may have kept from being written.
func (c *Cluster) endProcesses(ctx context.Context) error {
	marked, unlisted := process.Marked(c.paths.State)
	// While the nodes live the kernel tells what they have mounted, and whole
	// paths of backing files.
	before, unseen := c.devices(marked)
	alive := within(ctx, func(ctx context.Context) error { return process.End(ctx, 0, marked...) })
	c.awaitCollected(ctx, marked)
	after, unseenAfter := c.devices(nil)
	attached := within(ctx, func(ctx context.Context) error {
		return loopdev.Detach(ctx, append(before, after...)...)
	})
	return errors.Join(unlisted, unseen, alive, unseenAfter, attached)
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

// devices returns the loop devices on files of the cluster, those that the
// processes have mounted in a namespace of their own, and those that lie on one of
// them. With an error it returns those that it has found.
func (c *Cluster) devices(processes []process.Identity) ([]loopdev.Device, error) {
	attached, err := loopdev.Attached()
	if err != nil {
		return nil, err
	}
	own, err := c.own()
	if err != nil {
		return nil, err
	}
	found, err := loopdev.BackedBelow(attached, own...)
	problems := []error{err}
	for _, p := range processes {
		table, err := mounts.Of(p.PID)
		if err != nil {
			continue // it has ended, and its mounts with it
		}
		used, err := loopdev.UsedOnlyBy(attached, table)
		problems = append(problems, err)
		found = append(found, used...)
	}
	return loopdev.WithStacked(attached, found), errors.Join(problems...)
}

// hostMounts returns what is mounted, on the machine itself, in the cluster's
// folders. The cluster mounts nothing there.
func (c *Cluster) hostMounts() ([]mounts.Mount, error) {
	all, err := mounts.Own()
	if err != nil {
		return nil, err
	}
	own, err := c.own()
	if err != nil {
		return nil, err
	}
	var found []mounts.Mount
	for _, dir := range own {
		found = append(found, mounts.Below(all, dir)...)
	}
	return found, nil
}

// unmount frees the cluster's folders, so that what is mounted there is not
// taken for the cluster's own and deleted.
func (c *Cluster) unmount() error {
	found, err := c.hostMounts()
	problems := []error{err}
	for _, m := range slices.Backward(found) {
		if err := unix.Unmount(m.Point, 0); err != nil {
			problems = append(problems, fmt.Errorf("unmounting %q: %w: end what uses it", m.Point, err))
		}
	}
	return errors.Join(problems...)
}

// checkUnused returns an error if something still uses the cluster's folders, or
// that cannot be told.
func (c *Cluster) checkUnused() error {
	used, err := lookAll(c.leftProcesses, c.leftMounts, c.leftDevices, leftGroups)
	if err == nil && len(used) > 0 {
		err = errors.New(strings.Join(used, ", "))
	}
	if err != nil {
		return fmt.Errorf("the folders stay, since they are in use: %w: run \"localcluster down\" again", err)
	}
	return nil
}

// removeFolders removes the state last: it tells which other folders are the
// cluster's.
func (c *Cluster) removeFolders(keepPools bool) error {
	for _, dir := range []string{c.pools, c.paths.State} {
		foreign, err := c.foreign(dir)
		if err != nil {
			return err
		}
		if foreign {
			c.printer.Say("%s stays: this cluster has not made it", dir)
		}
	}
	if !keepPools {
		if err := c.removeOwn(c.pools); err != nil {
			return err
		}
	}
	if foreign, err := c.foreign(c.paths.State); err != nil || foreign {
		return err
	}
	if s, err := load(c.paths); err == nil {
		removeEmpty(s.CreatedFolders)
	}
	return c.removeOwn(c.paths.State)
}

// Leftovers returns what there is of the cluster on the machine, in words.
func (c *Cluster) Leftovers(ctx context.Context) ([]string, error) {
	found, err := c.remains(ctx)
	if err != nil {
		return nil, err
	}
	pools, err := c.leftFolder(c.pools)
	return append(found, pools...), err
}

// remains is Leftovers without the folder of the pools, which a new cluster may
// take over.
func (c *Cluster) remains(ctx context.Context) ([]string, error) {
	return lookAll(
		func() ([]string, error) { return network.Leftovers(ctx) },
		c.leftProcesses, c.leftMounts, c.leftDevices, leftGroups,
		func() ([]string, error) { return c.leftFolder(c.paths.State) },
	)
}

// lookAll returns what all of the looks return.
func lookAll(looks ...func() ([]string, error)) ([]string, error) {
	var found []string
	for _, look := range looks {
		more, err := look()
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
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

// leftFolder returns dir in words if it is there and not foreign.
func (c *Cluster) leftFolder(dir string) ([]string, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	foreign, err := c.foreign(dir)
	if err != nil || foreign {
		return nil, err
	}
	return []string{"folder " + dir}, nil
}

func describe[T any](all []T, text func(T) string) []string {
	described := make([]string, len(all))
	for i, one := range all {
		described[i] = text(one)
	}
	return described
}
