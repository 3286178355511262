// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// TestStageAgain stages a volume a second time, after something happened.
func TestStageAgain(t *testing.T) {
	for name, test := range map[string]struct {
		first, second *csi.VolumeCapability
		between       func(t *testing.T, host *mounttest.Host, n *node, id, path string)
		otherPath     bool
		code          codes.Code
	}{
		"Same":          {filesystem("", "noatime"), filesystem("ext4", "noatime"), nil, false, codes.OK},
		"SameBlock":     {block(), block(), nil, false, codes.OK},
		"OtherOptions":  {filesystem("", "noatime"), filesystem(""), nil, false, codes.AlreadyExists},
		"ReadOnly":      {filesystem(""), withMode(filesystem(""), reader), nil, false, codes.AlreadyExists},
		"ReadOnlyBlock": {block(), withMode(block(), reader), nil, false, codes.AlreadyExists},
		"OtherAccess":   {filesystem(""), block(), nil, false, codes.InvalidArgument},
		"OtherFS":       {filesystem(""), filesystem("xfs"), nil, false, codes.InvalidArgument},
		"OtherPath":     {filesystem(""), filesystem(""), nil, true, codes.AlreadyExists},
		"OtherBlock":    {block(), block(), nil, true, codes.AlreadyExists},
		"Rebooted": {filesystem(""), filesystem(""), func(_ *testing.T, host *mounttest.Host, _ *node, _, _ string) {
			host.Reboot()
		}, false, codes.OK},
		"RebootedToOtherPath": {filesystem(""), filesystem("", "noatime"), func(_ *testing.T, host *mounttest.Host, _ *node, _, _ string) {
			host.Reboot()
		}, true, codes.OK},
		"Broken": {filesystem(""), filesystem(""), func(_ *testing.T, host *mounttest.Host, _ *node, _, path string) {
			host.Break(path)
		}, false, codes.OK},
		"UnmountedByHand": {filesystem(""), filesystem(""), func(t *testing.T, host *mounttest.Host, _ *node, _, path string) {
			must(t, host.Unmount(path))
		}, false, codes.OK},
		"RecordLost": {filesystem("", "noatime"), filesystem("", "noatime"), func(t *testing.T, _ *mounttest.Host, n *node, id, _ string) {
			must(t, n.records.remove(id))
		}, false, codes.OK},
		"RecordDamaged": {filesystem(""), filesystem(""), func(t *testing.T, _ *mounttest.Host, n *node, id, _ string) {
			must(t, os.WriteFile(n.records.path(id), []byte(`{"volumeID":`), 0o600))
		}, false, codes.Aborted},
		"RecordOfOther": {filesystem(""), filesystem(""), func(t *testing.T, _ *mounttest.Host, n *node, id, _ string) {
			must(t, os.WriteFile(n.records.path(id), []byte(`{"formatVersion":1,"volumeID":"other","token":"t"}`), 0o600))
		}, false, codes.Aborted},
		"RecordFromFuture": {filesystem(""), filesystem(""), func(t *testing.T, _ *mounttest.Host, n *node, id, _ string) {
			must(t, os.WriteFile(n.records.path(id), []byte(`{"formatVersion":2,"volumeID":"`+id+`","token":"t"}`), 0o600))
		}, false, codes.Aborted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, host := newRig(t), mounttest.New()
			n, id, path := r.staged(host, test.first)
			if test.between != nil {
				test.between(t, host, n, id, path)
			}
			if test.otherPath {
				path = r.mkdir("other-staging")
			}
			wantCode(t, stage(t.Context(), n, id, path, test.second), test.code)
			if bound := host.Bound(); len(bound) != 1 {
				t.Errorf("bound %q, want the one image", bound)
			}
		})
	}
}

// TestStageRefuses wants a clear error and nothing left behind.
func TestStageRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for name, test := range map[string]struct {
		path    func(staging string) string
		c       *csi.VolumeCapability
		content string // of the image
		grant   bool
		code    codes.Code
		text    string
	}{
		"NotGranted":   {same, filesystem(""), "", false, codes.FailedPrecondition, "ControllerPublishVolume"},
		"NoCapability": {same, nil, "", true, codes.InvalidArgument, "volume_capability"},
		"ManyNodes":    {same, withMode(filesystem(""), multi), "", true, codes.InvalidArgument, "access mode"},
		"Block":        {same, block(), "", true, codes.InvalidArgument, "access type"},
		"BadOption":    {same, filesystem("", "loop"), "", true, codes.InvalidArgument, "loop"},
		"NoPath":       {constant(""), filesystem(""), "", true, codes.InvalidArgument, "staging_target_path"},
		"RelativePath": {constant("var/staging"), filesystem(""), "", true, codes.InvalidArgument, "staging_target_path"},
		"UncleanPath":  {func(s string) string { return s + "/../staging" }, filesystem(""), "", true, codes.InvalidArgument, "staging_target_path"},
		"Root":         {constant("/"), filesystem(""), "", true, codes.InvalidArgument, "staging_target_path"},
		"NoDirectory":  {func(s string) string { return s + "/none" }, filesystem(""), "", true, codes.FailedPrecondition, "does not exist"},
		"File":         {constant(file), filesystem(""), "", true, codes.InvalidArgument, "not a directory"},
		"OtherFS":      {same, filesystem(""), "xfs", true, codes.FailedPrecondition, "xfs instead of ext4"},
		"Partitioned":  {same, filesystem(""), "gpt partition table", true, codes.FailedPrecondition, "gpt partition table"},
		"UnknownBytes": {same, filesystem(""), mounttest.Damaged, true, codes.FailedPrecondition, "not blank"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, host := newRig(t), mounttest.New()
			n := r.node("node-a", host)
			r.node("node-b", host)
			id := r.create("volume", filesystem(""))
			host.SetContent(r.image(id), test.content)
			if test.grant {
				must(t, r.grant(id, "node-a", filesystem("")))
			}
			err := stage(t.Context(), n, id, test.path(r.mkdir("staging")), test.c)
			wantError(t, err, test.code, test.text)
			if got := host.Content(r.image(id)); got != test.content {
				t.Errorf("content %q, want it untouched: %q", got, test.content)
			}
			must(t, r.revoke(id, "node-a"))
			wantNothingLeft(t, &crashed{rig: r, host: host, node: n, id: id, capability: filesystem("")})
		})
	}
}

func same(path string) string { return path }

func constant(path string) func(string) string { return func(string) string { return path } }

// TestStageSeesGrowth lets a device that is attached already see that its volume
// has grown.
func TestStageSeesGrowth(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, path := r.staged(host, block())
	_, err := r.controller.ControllerExpandVolume(t.Context(), &csi.ControllerExpandVolumeRequest{VolumeId: id, CapacityRange: &csi.CapacityRange{RequiredBytes: 2 * testSize}})
	must(t, err)
	must(t, stage(t.Context(), n, id, path, block()))
	if got, err := host.DeviceSize(host.LoopPath(0)); err != nil || got != 2*testSize {
		t.Errorf("device of %d bytes, %v", got, err)
	}
}

// TestTakenLoops loses some devices to others before it gets one.
func TestTakenLoops(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n := r.node("node-a", host)
	id, path := r.create("volume", block()), r.mkdir("staging")
	must(t, r.grant(id, "node-a", block()))
	host.TakeNext(attachTries)
	wantError(t, stage(t.Context(), n, id, path, block()), codes.Internal, "taken by another process")
	host.TakeNext(attachTries - 1)
	must(t, stage(t.Context(), n, id, path, block()))
	must(t, unstage(t.Context(), n, id, path))
	if got, want := len(host.Bound()), 2*attachTries-1; got != want {
		t.Errorf("%d devices are bound, want the %d of others", got, want)
	}
}

// TestUnstageKeepsHands off what it does not know.
func TestUnstageKeepsHands(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, path := r.staged(host, filesystem(""))
	other := r.create("other", filesystem(""))
	wantError(t, unstage(t.Context(), n, other, path), codes.AlreadyExists, "is not volume")
	wantCode(t, unstage(t.Context(), n, id, r.mkdir("elsewhere")), codes.FailedPrecondition)
	if paths, err := host.MountsOf(0); err != nil || len(paths) != 1 {
		t.Errorf("mounts %q, %v", paths, err)
	}
}

// TestPublish shows a staged volume at a target path.
func TestPublish(t *testing.T) {
	for name, test := range map[string]struct {
		staged, c *csi.VolumeCapability
		readOnly  bool
		before    func(t *testing.T, host *mounttest.Host, target string)
		target    func(string) string
		staging   func(string) string
		code      codes.Code
		text      string
	}{
		"Directory":        {staged: filesystem(""), c: filesystem("")},
		"ReadOnly":         {staged: filesystem(""), c: filesystem(""), readOnly: true},
		"Block":            {staged: block(), c: block()},
		"BlockReadOnly":    {staged: block(), c: block(), readOnly: true},
		"BlockOfReader":    {staged: withMode(block(), reader), c: withMode(block(), reader), readOnly: true},
		"TargetIsThere":    {staged: filesystem(""), c: filesystem(""), before: func(t *testing.T, _ *mounttest.Host, target string) { must(t, os.Mkdir(target, 0o750)) }},
		"TargetIsFile":     {staged: filesystem(""), c: filesystem(""), before: func(t *testing.T, _ *mounttest.Host, target string) { must(t, os.WriteFile(target, nil, 0o600)) }, code: codes.InvalidArgument, text: "target_path"},
		"TargetIsDir":      {staged: block(), c: block(), before: func(t *testing.T, _ *mounttest.Host, target string) { must(t, os.Mkdir(target, 0o750)) }, code: codes.InvalidArgument, text: "target_path"},
		"TargetIsLink":     {staged: filesystem(""), c: filesystem(""), before: func(t *testing.T, _ *mounttest.Host, target string) { must(t, os.Symlink("/tmp", target)) }, code: codes.InvalidArgument, text: "target_path"},
		"NoParent":         {staged: filesystem(""), c: filesystem(""), target: func(s string) string { return s + "/a/b" }, code: codes.FailedPrecondition, text: "parent"},
		"NoTarget":         {staged: filesystem(""), c: filesystem(""), target: constant(""), code: codes.InvalidArgument, text: "target_path"},
		"RelativeTarget":   {staged: filesystem(""), c: filesystem(""), target: constant("a/b"), code: codes.InvalidArgument, text: "target_path"},
		"UncleanTarget":    {staged: filesystem(""), c: filesystem(""), target: func(s string) string { return s + "/../x" }, code: codes.InvalidArgument, text: "target_path"},
		"NoStaging":        {staged: filesystem(""), c: filesystem(""), staging: constant(""), code: codes.FailedPrecondition, text: "staging_target_path"},
		"RelativeStaging":  {staged: filesystem(""), c: filesystem(""), staging: constant("s"), code: codes.InvalidArgument, text: "staging_target_path"},
		"OtherStaging":     {staged: filesystem(""), c: filesystem(""), staging: constant("/elsewhere"), code: codes.FailedPrecondition, text: "NodeStageVolume"},
		"NoCapability":     {staged: filesystem(""), c: nil, code: codes.InvalidArgument, text: "volume_capability"},
		"OtherAccess":      {staged: filesystem(""), c: block(), code: codes.InvalidArgument, text: "block"},
		"OtherFS":          {staged: filesystem(""), c: filesystem("xfs"), code: codes.InvalidArgument, text: "ext4"},
		"Rebooted":         {staged: filesystem(""), c: filesystem(""), before: func(_ *testing.T, h *mounttest.Host, _ string) { h.Reboot() }, code: codes.FailedPrecondition, text: "NodeStageVolume"},
		"OtherVolumeThere": {staged: filesystem(""), c: filesystem(""), before: bindOther, code: codes.AlreadyExists, text: "loop device 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, host := newRig(t), mounttest.New()
			n, id, staging := r.staged(host, test.staged)
			target := filepath.Join(r.mkdir("pod"), "target")
			if test.before != nil {
				test.before(t, host, target)
			}
			if test.target != nil {
				target = test.target(target)
			}
			if test.staging != nil {
				staging = test.staging(staging)
			}
			for range 2 {
				wantError(t, publish(t.Context(), n, id, staging, target, test.c, test.readOnly), test.code, test.text)
			}
			if test.code != codes.OK {
				return
			}
			info, err := host.MountAt(target)
			if err != nil || info == nil || info.Block != (test.c.GetBlock() != nil) || info.ReadOnly != (test.readOnly && !info.Block) {
				t.Errorf("mounted %+v, %v", info, err)
			}
			for range 2 {
				must(t, unpublish(t.Context(), n, id, target))
			}
			if _, err := os.Lstat(target); !os.IsNotExist(err) {
				t.Errorf("target is left: %v", err)
			}
		})
	}
}

// bindOther shows another volume's device at the target.
func bindOther(t *testing.T, host *mounttest.Host, target string) {
	must(t, os.Mkdir(target, 0o750))
	image := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, host.BindLoop(1, image, 0, mount.Binding{Token: "other"}))
	must(t, host.Bind(host.LoopPath(1), target, false))
}

// TestPublishDifferently refuses to change a target that is in use.
func TestPublishDifferently(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, staging := r.staged(host, filesystem(""))
	target := filepath.Join(r.mkdir("pod"), "target")
	must(t, publish(t.Context(), n, id, staging, target, filesystem(""), false))
	wantCode(t, publish(t.Context(), n, id, staging, target, filesystem(""), true), codes.AlreadyExists)
	must(t, publish(t.Context(), n, id, staging, target+"-2", filesystem(""), true))

	host.Break(target)
	must(t, publish(t.Context(), n, id, staging, target, filesystem(""), true))
}

// TestUnpublishRemoves only what the driver made.
func TestUnpublishRemoves(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T, target string)
		code codes.Code
		gone bool
	}{
		"Nothing":       {func(*testing.T, string) {}, codes.OK, true},
		"EmptyDir":      {func(t *testing.T, target string) { must(t, os.Mkdir(target, 0o750)) }, codes.OK, true},
		"EmptyFile":     {func(t *testing.T, target string) { must(t, os.WriteFile(target, nil, 0o600)) }, codes.OK, true},
		"FileWithBytes": {func(t *testing.T, target string) { must(t, os.WriteFile(target, []byte("x"), 0o600)) }, codes.FailedPrecondition, false},
		"DirWithFiles":  {func(t *testing.T, target string) { must(t, os.MkdirAll(target+"/kept", 0o750)) }, codes.Internal, false},
		"Link":          {func(t *testing.T, target string) { must(t, os.Symlink("/tmp", target)) }, codes.FailedPrecondition, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			n := r.node("node-a", mounttest.New())
			target := filepath.Join(r.mkdir("pod"), "target")
			test.make(t, target)
			wantCode(t, unpublish(t.Context(), n, "gone", target), test.code)
			if _, err := os.Lstat(target); os.IsNotExist(err) != test.gone {
				t.Errorf("gone: %t, want %t", !test.gone, test.gone)
			}
		})
	}
}

func TestNodeExpandAndStats(t *testing.T) {
	for name, test := range map[string]struct {
		c          *csi.VolumeCapability
		size       *csi.CapacityRange
		path       func(staging string) string
		code       codes.Code
		statsUnits int
		statsCode  codes.Code
	}{
		"Staging":        {filesystem(""), &csi.CapacityRange{RequiredBytes: 2 * testSize}, same, codes.OK, 2, codes.OK},
		"NoRange":        {filesystem(""), nil, same, codes.OK, 2, codes.OK},
		"Block":          {block(), &csi.CapacityRange{RequiredBytes: 2 * testSize}, same, codes.OK, 1, codes.OK},
		"ReaderOnly":     {withMode(filesystem(""), reader), nil, same, codes.FailedPrecondition, 2, codes.OK},
		"BeforeThePool":  {filesystem(""), &csi.CapacityRange{RequiredBytes: 3 * testSize}, same, codes.Unavailable, 2, codes.OK},
		"AboveTheLimit":  {filesystem(""), &csi.CapacityRange{LimitBytes: testSize}, same, codes.OutOfRange, 2, codes.OK},
		"NegativeSize":   {filesystem(""), &csi.CapacityRange{RequiredBytes: -1}, same, codes.InvalidArgument, 2, codes.OK},
		"NoPath":         {filesystem(""), nil, constant(""), codes.InvalidArgument, 0, codes.InvalidArgument},
		"RelativePath":   {filesystem(""), nil, constant("some/path"), codes.NotFound, 0, codes.NotFound},
		"NoSuchPath":     {filesystem(""), nil, constant("/no/such/path"), codes.NotFound, 0, codes.NotFound},
		"SomeOtherPlace": {filesystem(""), nil, filepath.Dir, codes.NotFound, 0, codes.NotFound},
		"BlockElsewhere": {block(), nil, filepath.Dir, codes.NotFound, 0, codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, host := newRig(t), mounttest.New()
			n, id, staging := r.staged(host, test.c)
			_, err := r.controller.ControllerExpandVolume(t.Context(), &csi.ControllerExpandVolumeRequest{VolumeId: id, CapacityRange: &csi.CapacityRange{RequiredBytes: 2 * testSize}})
			must(t, err)
			path := test.path(staging)
			expanded, err := n.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: id, VolumePath: path, CapacityRange: test.size})
			wantCode(t, err, test.code)
			if err == nil && expanded.GetCapacityBytes() != 2*testSize {
				t.Errorf("expanded to %d bytes", expanded.GetCapacityBytes())
			}
			stats, err := n.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: id, VolumePath: path})
			wantCode(t, err, test.statsCode)
			if len(stats.GetUsage()) != test.statsUnits {
				t.Errorf("usage %v", stats.GetUsage())
			}
		})
	}
}

// TestBusyVolume lets one call at a time work on a volume.
func TestBusyVolume(t *testing.T) {
	r := newRig(t)
	n, id, staging := r.staged(mounttest.New(), filesystem(""))
	target := filepath.Join(r.mkdir("pod"), "target")
	release, err := n.busy.acquire(id)
	must(t, err)
	wantCode(t, stage(t.Context(), n, id, staging, filesystem("")), codes.Aborted)
	wantCode(t, unstage(t.Context(), n, id, staging), codes.Aborted)
	wantCode(t, publish(t.Context(), n, id, staging, target, filesystem(""), false), codes.Aborted)
	wantCode(t, unpublish(t.Context(), n, id, target), codes.Aborted)
	release()
	must(t, unstage(t.Context(), n, id, staging))
}
