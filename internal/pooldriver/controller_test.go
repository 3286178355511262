// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
	"github.com/csi-operator/csi-operator/internal/pool"
)

const (
	writer   = csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER
	reader   = csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY
	multi    = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
	sharedRO = csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
)

// TestCreateVolumeRefuses checks that a bad request makes nothing and that the
// error names the field.
func TestCreateVolumeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*csi.CreateVolumeRequest)
		code   codes.Code
		text   string
	}{
		"NoName":          {func(r *csi.CreateVolumeRequest) { r.Name = "" }, codes.InvalidArgument, "name"},
		"LongName":        {func(r *csi.CreateVolumeRequest) { r.Name = strings.Repeat("n", 129) }, codes.InvalidArgument, "name"},
		"ControlInName":   {func(r *csi.CreateVolumeRequest) { r.Name = "a\x00b" }, codes.InvalidArgument, "name"},
		"NoCapabilities":  {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities = nil }, codes.InvalidArgument, "volume_capabilities"},
		"NilCapability":   {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = nil }, codes.InvalidArgument, "volume_capability"},
		"EmptyCapability": {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = &csi.VolumeCapability{} }, codes.InvalidArgument, "access_mode"},
		"NoAccessType":    {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0].AccessType = nil }, codes.InvalidArgument, "access_type"},
		"ManyNodes":       {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0].AccessMode = accessMode(multi) }, codes.InvalidArgument, "MULTI_NODE_MULTI_WRITER"},
		"ManyReaders":     {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0].AccessMode = accessMode(sharedRO) }, codes.InvalidArgument, "MULTI_NODE_READER_ONLY"},
		"UnknownMode":     {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0].AccessMode = accessMode(99) }, codes.InvalidArgument, "99"},
		"Contradiction":   {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities = append(r.VolumeCapabilities, block()) }, codes.InvalidArgument, "contradict"},
		"UnknownFS":       {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = filesystem("btrfs") }, codes.InvalidArgument, "btrfs"},
		"MountOption":     {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = filesystem("", "noatime", "uid=0") }, codes.InvalidArgument, "uid=0"},
		"MountGroup":      {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0].GetMount().VolumeMountGroup = "7" }, codes.InvalidArgument, "volume_mount_group"},
		"Parameter": {func(r *csi.CreateVolumeRequest) {
			r.Parameters = map[string]string{"replicas": "3", "csi.storage.k8s.io/pv/name": "p"}
		}, codes.InvalidArgument, "replicas"},
		"MutableParameter": {func(r *csi.CreateVolumeRequest) { r.MutableParameters = map[string]string{"iops": "3"} }, codes.InvalidArgument, "iops"},
		"Source":           {func(r *csi.CreateVolumeRequest) { r.VolumeContentSource = &csi.VolumeContentSource{} }, codes.InvalidArgument, "volume_content_source"},
		"NegativeSize":     {func(r *csi.CreateVolumeRequest) { r.CapacityRange.RequiredBytes = -1 }, codes.InvalidArgument, "required_bytes"},
		"NegativeLimit":    {func(r *csi.CreateVolumeRequest) { r.CapacityRange.LimitBytes = -1 }, codes.InvalidArgument, "limit_bytes"},
		"LimitBelowSize":   {func(r *csi.CreateVolumeRequest) { r.CapacityRange.LimitBytes = testSize - 1 }, codes.InvalidArgument, "limit_bytes"},
		"LimitBelowMin":    {func(r *csi.CreateVolumeRequest) { r.CapacityRange = &csi.CapacityRange{LimitBytes: 4096} }, codes.OutOfRange, ""},
		"TooLarge":         {func(r *csi.CreateVolumeRequest) { r.CapacityRange.RequiredBytes = math.MaxInt64 }, codes.OutOfRange, ""},
		"MoreThanThereIs":  {func(r *csi.CreateVolumeRequest) { r.CapacityRange.RequiredBytes = pool.MaxCapacity }, codes.ResourceExhausted, ""},
		"OtherPool": {func(r *csi.CreateVolumeRequest) { r.AccessibilityRequirements = requisite(testDriver+"/pool", "other") },
			codes.ResourceExhausted, "the shared file system is not mounted on those nodes at this path"},
		"NoPoolOnNodes": {func(r *csi.CreateVolumeRequest) { r.AccessibilityRequirements = requisite("zone", "a") },
			codes.ResourceExhausted, "the shared file system is not mounted on those nodes at this path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			req := createReq("volume", filesystem(""))
			test.change(req)
			_, err := r.controller.CreateVolume(t.Context(), req)
			wantError(t, err, test.code, test.text)
			p, err := r.controller.pools.get()
			must(t, err)
			for _, dir := range []string{"volumes", "names"} {
				if left, err := os.ReadDir(filepath.Join(p.Path(), dir)); err != nil || len(left) > 0 {
					t.Errorf("left %v in %s, %v", left, dir, err)
				}
			}
		})
	}
}

func wantError(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	wantCode(t, err, code)
	if message := status.Convert(err).Message(); !strings.Contains(message, text) {
		t.Errorf("message %q does not say %q", message, text)
	}
}

func requisite(key, value string) *csi.TopologyRequirement {
	return &csi.TopologyRequirement{Requisite: []*csi.Topology{{Segments: map[string]string{key: value}}}}
}

// TestCreateVolumeAgain checks idempotency by name.
func TestCreateVolumeAgain(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*csi.CreateVolumeRequest)
		code   codes.Code
	}{
		"Same":         {func(*csi.CreateVolumeRequest) {}, codes.OK},
		"DefaultNamed": {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = filesystem("ext4") }, codes.OK},
		"Smaller":      {func(r *csi.CreateVolumeRequest) { r.CapacityRange.RequiredBytes = testSize / 2 }, codes.OK},
		"MetadataKeys": {func(r *csi.CreateVolumeRequest) { r.Parameters = map[string]string{"csi.storage.k8s.io/pvc/name": "c"} }, codes.OK},
		"Larger":       {func(r *csi.CreateVolumeRequest) { r.CapacityRange.RequiredBytes = 2 * testSize }, codes.AlreadyExists},
		"LowLimit":     {func(r *csi.CreateVolumeRequest) { r.CapacityRange = &csi.CapacityRange{LimitBytes: testSize / 2} }, codes.AlreadyExists},
		"Block":        {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = block() }, codes.AlreadyExists},
		"OtherFS":      {func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0] = filesystem("xfs"); r.CapacityRange = nil }, codes.AlreadyExists},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			id := r.create("volume", filesystem(""))
			req := createReq("volume", filesystem(""))
			test.change(req)
			reply, err := r.controller.CreateVolume(t.Context(), req)
			wantCode(t, err, test.code)
			if err == nil && reply.GetVolume().GetVolumeId() != id {
				t.Errorf("a second volume: %v", reply)
			}
		})
	}
}

func TestCreateVolumeReply(t *testing.T) {
	r := newRig(t)
	p, err := r.controller.pools.get()
	must(t, err)
	req := createReq("volume", block())
	req.CapacityRange.RequiredBytes = testSize - 1
	req.AccessibilityRequirements = requisite(testDriver+"/pool", p.UUID())
	reply, err := r.controller.CreateVolume(t.Context(), req)
	must(t, err)
	want := &csi.CreateVolumeResponse{Volume: &csi.Volume{
		CapacityBytes:      testSize,
		AccessibleTopology: []*csi.Topology{{Segments: map[string]string{testDriver + "/pool": p.UUID()}}},
	}}
	if diff := cmp.Diff(want, reply, protocmp.Transform(), protocmp.IgnoreFields(&csi.Volume{}, "volume_id")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestIDs sends hostile, unknown and empty ids to every call.
func TestIDs(t *testing.T) {
	r := newRig(t)
	n := r.node("node-a", mounttest.New())
	p, err := r.controller.pools.get()
	must(t, err)
	staging, target := r.mkdir("staging"), filepath.Join(r.mkdir("pod"), "target")
	calls := r.calls(n, staging, target)
	ids := map[string]struct {
		id      string
		refused bool
	}{
		"Empty":      {"", true},
		"Parent":     {"..", true},
		"Traversal":  {"../../etc/passwd", true},
		"Slash":      {"a/b", true},
		"NUL":        {"a\x00b", true},
		"Newline":    {"a\nb", true},
		"Long":       {strings.Repeat("a", 129), true},
		"Unknown":    {"no-such-volume", false},
		"NotOurs":    {"NOT_OUR_FORM", false},
		"NotOurLen":  {strings.Repeat("a", 128), false},
		"NoPool":     {".volume", false},
		"NoVolume":   {p.UUID() + ".", false},
		"NotUUID":    {"pool.volume", false},
		"ThreeParts": {p.UUID() + ".a.b", false},
		"UpperCase":  {p.UUID() + ".UPPER", false},
		"Absent":     {p.UUID() + ".absent", false},
	}
	for callName, c := range calls {
		for idName, i := range ids {
			t.Run(callName+"/"+idName, func(t *testing.T) {
				if i.refused {
					wantError(t, c.run(i.id), codes.InvalidArgument, "volume_id")
					return
				}
				wantCode(t, c.run(i.id), c.unknown)
			})
		}
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 4 {
		t.Errorf("something was made outside of the pool and the paths of the call: %v, %v", entries, err)
	}
}

func TestControllerPublish(t *testing.T) {
	for name, test := range map[string]struct {
		before func(*rig, string) error
		node   string
		c      *csi.VolumeCapability
		code   codes.Code
		text   string
	}{
		"Granted":       {nil, "node-a", filesystem(""), codes.OK, ""},
		"Again":         {func(r *rig, id string) error { return r.grant(id, "node-a", filesystem("")) }, "node-a", filesystem(""), codes.OK, ""},
		"OtherNode":     {func(r *rig, id string) error { return r.grant(id, "node-b", filesystem("")) }, "node-a", filesystem(""), codes.FailedPrecondition, "node-b"},
		"Differently":   {func(r *rig, id string) error { return r.grant(id, "node-a", withMode(filesystem(""), reader)) }, "node-a", filesystem(""), codes.AlreadyExists, ""},
		"UnknownNode":   {nil, "node-z", filesystem(""), codes.NotFound, "node-z"},
		"NoNode":        {nil, "", filesystem(""), codes.InvalidArgument, "node_id"},
		"HostileNode":   {nil, "../node-a", filesystem(""), codes.InvalidArgument, "node_id"},
		"NotAName":      {nil, "Node A", filesystem(""), codes.NotFound, "Node A"},
		"NoCapability":  {nil, "node-a", nil, codes.InvalidArgument, "volume_capability"},
		"ManyNodes":     {nil, "node-a", withMode(filesystem(""), multi), codes.InvalidArgument, "access mode"},
		"OtherAccess":   {nil, "node-a", block(), codes.InvalidArgument, "access type"},
		"OtherFS":       {nil, "node-a", filesystem("xfs"), codes.InvalidArgument, "ext4"},
		"ForeignOption": {nil, "node-a", filesystem("", "bind"), codes.InvalidArgument, "bind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.node("node-a", mounttest.New())
			r.node("node-b", mounttest.New())
			id := r.create("volume", filesystem(""))
			if test.before != nil {
				must(t, test.before(r, id))
			}
			wantError(t, r.grant(id, test.node, test.c), test.code, test.text)
		})
	}
}

// TestDeleteInUse refuses as long as a node may write.
func TestDeleteInUse(t *testing.T) {
	host := mounttest.New()
	r := newRig(t)
	n, id, path := r.staged(host, filesystem(""))
	remove := func() error {
		_, err := r.controller.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: id})
		return err
	}
	wantError(t, remove(), codes.FailedPrecondition, "node-a")
	must(t, r.revoke(id, "node-a"))
	wantError(t, remove(), codes.FailedPrecondition, "node-a")
	must(t, unstage(t.Context(), n, id, path))
	must(t, remove())
	must(t, remove())
}

func TestValidateVolumeCapabilities(t *testing.T) {
	for name, test := range map[string]struct {
		req       *csi.ValidateVolumeCapabilitiesRequest
		code      codes.Code
		confirmed bool
	}{
		"AsCreated": {validateReq(filesystem("")), codes.OK, true},
		"NamedFS":   {validateReq(filesystem("ext4")), codes.OK, true},
		"Reader":    {validateReq(withMode(filesystem(""), reader)), codes.OK, true},
		"OtherFS":   {validateReq(filesystem("xfs")), codes.OK, false},
		"Block":     {validateReq(block()), codes.OK, false},
		"ManyNodes": {validateReq(withMode(filesystem(""), multi)), codes.OK, false},
		"OneOfTwo":  {validateReq(filesystem(""), withMode(filesystem(""), multi)), codes.OK, false},
		"Option":    {validateReq(filesystem("", "suid=0")), codes.OK, false},
		"None":      {validateReq(), codes.InvalidArgument, false},
		"Malformed": {validateReq(&csi.VolumeCapability{}), codes.InvalidArgument, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			req := proto.CloneOf(test.req)
			req.VolumeId = r.create("volume", filesystem(""))
			reply, err := r.controller.ValidateVolumeCapabilities(t.Context(), req)
			wantCode(t, err, test.code)
			if got := reply.GetConfirmed() != nil; got != test.confirmed {
				t.Errorf("confirmed %t, want %t: %v", got, test.confirmed, reply)
			}
			if err == nil && !test.confirmed && reply.GetMessage() == "" {
				t.Error("does not say why not")
			}
		})
	}
}

func validateReq(c ...*csi.VolumeCapability) *csi.ValidateVolumeCapabilitiesRequest {
	return &csi.ValidateVolumeCapabilitiesRequest{VolumeCapabilities: c}
}

func TestControllerExpand(t *testing.T) {
	for name, test := range map[string]struct {
		req  *csi.ControllerExpandVolumeRequest
		code codes.Code
		want int64
	}{
		"Grows":        {expandReq(2*testSize, 0), codes.OK, 2 * testSize},
		"RoundsUp":     {expandReq(2*testSize-1, 0), codes.OK, 2 * testSize},
		"NeverShrinks": {expandReq(testSize/2, 0), codes.OK, testSize},
		"WithinLimit":  {expandReq(2*testSize, 2*testSize), codes.OK, 2 * testSize},
		"NoRoundSize":  {expandReq(2*testSize+1, 2*testSize+2), codes.OutOfRange, 0},
		"LimitBelow":   {expandReq(testSize/2, testSize/2), codes.OutOfRange, 0},
		"NoSize":       {expandReq(0, 0), codes.InvalidArgument, 0},
		"NoRange":      {&csi.ControllerExpandVolumeRequest{}, codes.InvalidArgument, 0},
		"Negative":     {expandReq(-1, 0), codes.InvalidArgument, 0},
		"Contradicts":  {expandReq(2*testSize, testSize), codes.InvalidArgument, 0},
		"Overflows":    {expandReq(math.MaxInt64, 0), codes.OutOfRange, 0},
		"NoSpace":      {expandReq(pool.MaxCapacity, 0), codes.ResourceExhausted, 0},
		"OtherAccess":  {&csi.ControllerExpandVolumeRequest{CapacityRange: &csi.CapacityRange{RequiredBytes: 1}, VolumeCapability: block()}, codes.InvalidArgument, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			req := proto.CloneOf(test.req)
			req.VolumeId = r.create("volume", filesystem(""))
			reply, err := r.controller.ControllerExpandVolume(t.Context(), req)
			wantCode(t, err, test.code)
			if reply.GetCapacityBytes() != test.want || err == nil && !reply.GetNodeExpansionRequired() {
				t.Errorf("got %v, want %d bytes and work for the node", reply, test.want)
			}
		})
	}
}

func expandReq(required, limit int64) *csi.ControllerExpandVolumeRequest {
	return &csi.ControllerExpandVolumeRequest{CapacityRange: &csi.CapacityRange{RequiredBytes: required, LimitBytes: limit}}
}
