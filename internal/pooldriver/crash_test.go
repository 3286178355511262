// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// maxCalls is more than any call of the node service asks of the host.
const maxCalls = 60

// TestCrash kills the driver at every call to the host, before and after its
// effect, and repairs by calling again or by giving up.
func TestCrash(t *testing.T) {
	type repair func(*testing.T, *crashed)
	for name, test := range map[string]struct {
		capability *csi.VolumeCapability
		crash      func(*crashed) error
		repair     repair
	}{
		"StageThenStage":        {filesystem(""), (*crashed).stage, stageAgain},
		"StageThenUnstage":      {filesystem(""), (*crashed).stage, unstageAgain},
		"StageBlockThenStage":   {block(), (*crashed).stage, stageAgain},
		"StageBlockThenUnstage": {block(), (*crashed).stage, unstageAgain},
		"UnstageThenUnstage":    {filesystem("xfs"), (*crashed).unstageStaged, unstageAgain},
		"UnstageThenStage":      {filesystem(""), (*crashed).unstageStaged, stageAgain},
		"UnstageBlock":          {block(), (*crashed).unstageStaged, unstageAgain},
		"GrowThenStage":         {filesystem(""), (*crashed).stageExpanded, growAgain},
		"GrowThenUnstage":       {filesystem(""), (*crashed).stageExpanded, unstageThenGrow},
		"GrowThenReboot":        {filesystem(""), (*crashed).stageExpanded, rebootThenGrow},
		"PublishThenPublish":    {filesystem(""), (*crashed).publishStaged, publishAgain},
		"PublishBlock":          {block(), (*crashed).publishStaged, publishAgain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, after := range []bool{false, true} {
				k := 1
				for crashAt(t, test.capability, k, after, test.crash, test.repair) {
					if k++; k > maxCalls {
						t.Fatal("never ends")
					}
				}
				if k == 1 {
					t.Error("asks nothing of the host")
				}
			}
		})
	}
}

// crashed is a volume on a node that is killed.
type crashed struct {
	*rig
	host       *mounttest.Host
	crashing   *mounttest.Crashing
	node       *node
	capability *csi.VolumeCapability
	id         string
	staging    string
	target     string
	arm        func() // the crash counts from here
}

func crashAt(t *testing.T, c *csi.VolumeCapability, k int, after bool, crash func(*crashed) error, repair func(*testing.T, *crashed)) bool {
	t.Helper()
	r := newRig(t)
	host := mounttest.New()
	crashing := mounttest.NewCrashing(host)
	v := &crashed{rig: r, host: host, crashing: crashing, node: r.node("node-a", crashing), capability: c}
	r.node("node-b", mounttest.New())
	v.id, v.staging = r.create("volume", c), r.mkdir("staging")
	v.target = filepath.Join(r.mkdir("pod"), "target")
	must(t, r.grant(v.id, "node-a", c))
	v.arm = func() { crashing.CrashAt(k, after) }

	err := crash(v)
	happened := crashing.Restart()
	if err != nil && !happened {
		t.Fatalf("without a crash: %v", err)
	}
	v.node = r.node("node-a", crashing) // a new process, without memory
	if !t.Run("call"+strconv.Itoa(k), func(t *testing.T) { repair(t, v) }) {
		t.FailNow()
	}
	return happened
}

func (v *crashed) stage() error {
	v.arm()
	return stage(v.t.Context(), v.node, v.id, v.staging, v.capability)
}

func (v *crashed) unstageStaged() error {
	must(v.t, stage(v.t.Context(), v.node, v.id, v.staging, v.capability))
	v.arm()
	return unstage(v.t.Context(), v.node, v.id, v.staging)
}

func (v *crashed) publishStaged() error {
	must(v.t, stage(v.t.Context(), v.node, v.id, v.staging, v.capability))
	v.arm()
	return v.publish(v.t)
}

func (v *crashed) publish(t *testing.T) error {
	return publish(t.Context(), v.node, v.id, v.staging, v.target, v.capability, v.capability.GetBlock() == nil)
}

// stageAgain ends with one device, mounted once, and no other node may have it.
func stageAgain(t *testing.T, v *crashed) {
	must(t, stage(t.Context(), v.node, v.id, v.staging, v.capability))
	if diff := cmp.Diff([]string{v.image(v.id)}, v.host.Bound()); diff != "" {
		t.Errorf("bound images, -want +got:\n%s", diff)
	}
	must(t, v.revoke(v.id, "node-a"))
	wantCode(t, v.grant(v.id, "node-b", v.capability), codes.FailedPrecondition)
	must(t, unstage(t.Context(), v.node, v.id, v.staging))
	wantNothingLeft(t, v)
}

func unstageAgain(t *testing.T, v *crashed) {
	must(t, unstage(t.Context(), v.node, v.id, v.staging))
	must(t, unstage(t.Context(), v.node, v.id, v.staging))
	must(t, v.revoke(v.id, "node-a"))
	wantNothingLeft(t, v)
}

func publishAgain(t *testing.T, v *crashed) {
	must(t, v.publish(t))
	must(t, v.publish(t))
	wantCode(t, unstage(t.Context(), v.node, v.id, v.staging), codes.FailedPrecondition)
	must(t, unpublish(t.Context(), v.node, v.id, v.target))
	unstageAgain(t, v)
}

// wantNothingLeft wants no device, no record, no marker, and a volume that another
// node can have.
func wantNothingLeft(t *testing.T, v *crashed) {
	t.Helper()
	if bound := v.host.Bound(); len(bound) > 0 {
		t.Errorf("still bound: %q", bound)
	}
	entries, err := os.ReadDir(v.node.records.dir)
	must(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".tmp") && e.Name() != instanceFile {
			t.Errorf("record left: %s", e.Name())
		}
	}
	must(t, v.grant(v.id, "node-b", v.capability))
}

// torn is a host whose mkfs is killed half-way.
type torn struct {
	*mounttest.Host

	image string
	die   func() // kills the driver as well
}

func (h *torn) Format(context.Context, string, string) error {
	h.SetContent(h.image, mounttest.Damaged)
	h.die()
	return errors.New("mkfs was killed")
}

// TestTornFormat interrupts mkfs itself: what it leaves is no file system, and
// must not bind the volume to anything for ever.
func TestTornFormat(t *testing.T) {
	for name, test := range map[string]struct {
		driverDies bool
		want       string // content of the image after the failure
	}{
		"DriverCleansUp": {driverDies: false, want: ""},
		"DriverDiesToo":  {driverDies: true, want: mounttest.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			r, host, c := newRig(t), mounttest.New(), filesystem("")
			node := r.node("node-a", host)
			id, path := r.create("volume", c), r.mkdir("staging")
			must(t, r.grant(id, "node-a", c))

			broken := &torn{Host: host, image: r.image(id), die: func() {}}
			crashing := mounttest.NewCrashing(broken)
			if test.driverDies {
				broken.die = func() { crashing.CrashAt(1, false) }
			}
			if err := stage(t.Context(), r.node("node-a", crashing), id, path, c); err == nil {
				t.Fatal("staged without a file system")
			}
			if got := host.Content(r.image(id)); got != test.want {
				t.Errorf("content %q, want %q", got, test.want)
			}
			must(t, stage(t.Context(), node, id, path, c))
			must(t, unstage(t.Context(), node, id, path))
		})
	}
}
