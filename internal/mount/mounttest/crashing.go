// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mounttest

import (
	"context"
	"errors"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// ErrCrashed is what every call returns after a crash.
var ErrCrashed = errors.New("the process was killed")

// Crashing is a host whose user is killed at a chosen call: what was done stays
// done, and nothing more can be done until Restart. It wraps any other host. It is
// for one goroutine.
type Crashing struct {
	host  mount.Host
	calls int
	at    int // 0: never
	after bool
}

var _ mount.Host = (*Crashing)(nil)

// NewCrashing wraps a host; it does not crash before CrashAt.
func NewCrashing(host mount.Host) *Crashing { return &Crashing{host: host} }

// CrashAt kills the user at the k-th call from now, counted from 1: before the
// call has an effect, or after it.
func (c *Crashing) CrashAt(k int, after bool) { c.calls, c.at, c.after = 0, k, after }

// Restart lets calls work again and tells whether there was a crash.
func (c *Crashing) Restart() (crashed bool) {
	crashed = c.at > 0 && c.calls >= c.at
	c.at = 0
	return crashed
}

func (c *Crashing) step(call func() error) error {
	c.calls++
	if c.at > 0 && (c.calls > c.at || c.calls == c.at && !c.after) {
		return ErrCrashed
	}
	err := call()
	if c.at > 0 && c.calls == c.at {
		return ErrCrashed
	}
	return err
}

// value is step for calls that return something.
func value[T any](c *Crashing, call func() (T, error)) (result T, err error) {
	err = c.step(func() (err error) {
		result, err = call()
		return err
	})
	return result, err
}

// LoopPath asks the wrapped host and is not counted.
func (c *Crashing) LoopPath(number int) string { return c.host.LoopPath(number) }

// FreeLoop counts as a call.
func (c *Crashing) FreeLoop() (int, error) { return value(c, c.host.FreeLoop) }

// BindLoop counts as a call.
func (c *Crashing) BindLoop(number int, image string, size int64, b mount.Binding) error {
	return c.step(func() error { return c.host.BindLoop(number, image, size, b) })
}

// LoopStatus counts as a call.
func (c *Crashing) LoopStatus(number int) (*mount.Binding, error) {
	return value(c, func() (*mount.Binding, error) { return c.host.LoopStatus(number) })
}

// HoldLoop counts as a call; what is held is let go by a crash.
func (c *Crashing) HoldLoop(number int, token string) (letGo func(), err error) {
	err = c.step(func() (err error) {
		letGo, err = c.host.HoldLoop(number, token)
		return err
	})
	if err != nil && letGo != nil {
		letGo()
		letGo = nil
	}
	return letGo, err
}

// LoopsOf counts as a call.
func (c *Crashing) LoopsOf(image mount.File, tokenPrefix string) ([]int, error) {
	return value(c, func() ([]int, error) { return c.host.LoopsOf(image, tokenPrefix) })
}

// UnbindLoop counts as a call.
func (c *Crashing) UnbindLoop(ctx context.Context, number int, token string) error {
	return c.step(func() error { return c.host.UnbindLoop(ctx, number, token) })
}

// ResizeLoop counts as a call.
func (c *Crashing) ResizeLoop(number int, image string, size int64) error {
	return c.step(func() error { return c.host.ResizeLoop(number, image, size) })
}

// Identify counts as a call.
func (c *Crashing) Identify(image string) (mount.File, error) {
	return value(c, func() (mount.File, error) { return c.host.Identify(image) })
}

// Flush counts as a call.
func (c *Crashing) Flush(image string) error {
	return c.step(func() error { return c.host.Flush(image) })
}

// Blank counts as a call.
func (c *Crashing) Blank(image string) error {
	return c.step(func() error { return c.host.Blank(image) })
}

// Inspect counts as a call.
func (c *Crashing) Inspect(ctx context.Context, device string) (mount.Content, error) {
	return value(c, func() (mount.Content, error) { return c.host.Inspect(ctx, device) })
}

// Format counts as a call.
func (c *Crashing) Format(ctx context.Context, device, fsType string) error {
	return c.step(func() error { return c.host.Format(ctx, device, fsType) })
}

// Check counts as a call.
func (c *Crashing) Check(ctx context.Context, device, fsType string, depth mount.Depth) error {
	return c.step(func() error { return c.host.Check(ctx, device, fsType, depth) })
}

// NeedsGrowUnmounted counts as a call.
func (c *Crashing) NeedsGrowUnmounted(device, fsType string) (bool, error) {
	return value(c, func() (bool, error) { return c.host.NeedsGrowUnmounted(device, fsType) })
}

// GrowUnmounted counts as a call.
func (c *Crashing) GrowUnmounted(ctx context.Context, device, fsType string) error {
	return c.step(func() error { return c.host.GrowUnmounted(ctx, device, fsType) })
}

// Grow counts as a call.
func (c *Crashing) Grow(ctx context.Context, device, target, fsType string) error {
	return c.step(func() error { return c.host.Grow(ctx, device, target, fsType) })
}

// Usage counts as a call.
func (c *Crashing) Usage(path string) (mount.Usage, error) {
	return value(c, func() (mount.Usage, error) { return c.host.Usage(path) })
}

// DeviceSize counts as a call.
func (c *Crashing) DeviceSize(device string) (int64, error) {
	return value(c, func() (int64, error) { return c.host.DeviceSize(device) })
}

// MountAt counts as a call.
func (c *Crashing) MountAt(path string) (*mount.Info, error) {
	return value(c, func() (*mount.Info, error) { return c.host.MountAt(path) })
}

// MountsOf counts as a call.
func (c *Crashing) MountsOf(number int) ([]string, error) {
	return value(c, func() ([]string, error) { return c.host.MountsOf(number) })
}

// Mount counts as a call.
func (c *Crashing) Mount(device, target, fsType string, options []string) error {
	return c.step(func() error { return c.host.Mount(device, target, fsType, options) })
}

// Bind counts as a call.
func (c *Crashing) Bind(source, target string, readOnly bool) error {
	return c.step(func() error { return c.host.Bind(source, target, readOnly) })
}

// Unmount counts as a call.
func (c *Crashing) Unmount(path string) error {
	return c.step(func() error { return c.host.Unmount(path) })
}

// Abandon counts as a call.
func (c *Crashing) Abandon(path string) error {
	return c.step(func() error { return c.host.Abandon(path) })
}
