// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

const size = 10 << 20 // of the volume that is there

// TestCreateVolume looks at requests beside a volume "old" and its snapshot.
func TestCreateVolume(t *testing.T) {
	for name, test := range map[string]struct {
		change func(req *csi.CreateVolumeRequest, old, snapshot string)
		claims string
		want   codes.Code
		isOld  bool // the old volume is the answer
	}{
		"New":     {func(req *csi.CreateVolumeRequest, _, _ string) { req.Name = "new" }, "", codes.OK, false},
		"Again":   {func(*csi.CreateVolumeRequest, string, string) {}, "", codes.OK, true},
		"AnySize": {func(req *csi.CreateVolumeRequest, _, _ string) { req.CapacityRange = nil }, "", codes.OK, true},
		"Larger":  {func(req *csi.CreateVolumeRequest, _, _ string) { req.CapacityRange.RequiredBytes++ }, "", codes.AlreadyExists, false},
		"Smaller": {func(req *csi.CreateVolumeRequest, _, _ string) {
			req.CapacityRange = &csi.CapacityRange{LimitBytes: size - 1}
		}, "", codes.AlreadyExists, false},
		"OtherSource":   {func(req *csi.CreateVolumeRequest, old, _ string) { req.VolumeContentSource = clone(old) }, "Controller/CLONE_VOLUME", codes.AlreadyExists, false},
		"OtherSnapshot": {func(req *csi.CreateVolumeRequest, _, s string) { req.VolumeContentSource = restore(s) }, "Controller/CREATE_DELETE_SNAPSHOT", codes.AlreadyExists, false},
		"NoSource":      {func(req *csi.CreateVolumeRequest, _, _ string) { req.VolumeContentSource = clone("x") }, "Controller/CLONE_VOLUME", codes.NotFound, false},
		"NoClones":      {func(req *csi.CreateVolumeRequest, old, _ string) { req.VolumeContentSource = clone(old) }, "", codes.InvalidArgument, false},
		"NoSnapshots":   {func(req *csi.CreateVolumeRequest, _, s string) { req.VolumeContentSource = restore(s) }, "", codes.InvalidArgument, false},
		"NoParameters":  {func(req *csi.CreateVolumeRequest, _, _ string) { req.MutableParameters = map[string]string{"a": "b"} }, "", codes.InvalidArgument, false},
		"Block":         {func(req *csi.CreateVolumeRequest, _, _ string) { req.VolumeCapabilities = block() }, "", codes.InvalidArgument, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newController(t, test.claims)
			req := &csi.CreateVolumeRequest{Name: "old", CapacityRange: &csi.CapacityRange{RequiredBytes: size}, VolumeCapabilities: mount()}
			old := createdVolume(t, c, req)
			snapshot, err := c.store.CreateSnapshot("s", old, "")
			must(t, err)
			test.change(req, old, snapshot.ID)
			got, err := c.CreateVolume(t.Context(), req)
			err = asCoded(err)
			if status.Code(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if isOld := got.GetVolume().GetVolumeId() == old; isOld != test.isOld {
				t.Errorf("the old volume is the answer: %t", isOld)
			}
		})
	}
}

func TestValidateVolumeCapabilities(t *testing.T) {
	c := newController(t, "")
	id := createdVolume(t, c, &csi.CreateVolumeRequest{Name: "v", VolumeCapabilities: mount()})
	got := map[string]bool{}
	for name, capabilities := range map[string][]*csi.VolumeCapability{"mount": mount(), "block": block(), "both": append(mount(), block()...)} {
		reply, err := c.ValidateVolumeCapabilities(t.Context(), &csi.ValidateVolumeCapabilitiesRequest{VolumeId: id, VolumeCapabilities: capabilities})
		must(t, err)
		got[name] = reply.GetConfirmed() != nil
		if got[name] == (reply.GetMessage() != "") {
			t.Errorf("%s: %v", name, reply)
		}
	}
	if diff := cmp.Diff(map[string]bool{"mount": true, "block": false, "both": false}, got); diff != "" {
		t.Errorf("confirmed: -want +got:\n%s", diff)
	}
}

// TestGroupOfOthers: a name stands for one set of volumes, in whatever order.
func TestGroupOfOthers(t *testing.T) {
	c := newController(t, "")
	g := &groupController{options: c.options, store: c.store}
	a := createdVolume(t, c, &csi.CreateVolumeRequest{Name: "a", VolumeCapabilities: mount()})
	b := createdVolume(t, c, &csi.CreateVolumeRequest{Name: "b", VolumeCapabilities: mount()})
	for _, step := range []struct {
		volumes []string
		want    codes.Code
	}{{[]string{a, b}, codes.OK}, {[]string{b, a}, codes.OK}, {[]string{a}, codes.AlreadyExists}} {
		_, err := g.CreateVolumeGroupSnapshot(t.Context(), &csi.CreateVolumeGroupSnapshotRequest{Name: "g", SourceVolumeIds: step.volumes})
		if status.Code(err) != step.want {
			t.Errorf("of %q: got %v, want %s", step.volumes, err, step.want)
		}
	}
}

func TestPlace(t *testing.T) {
	on := func(nodes ...string) (all []*csi.Topology) {
		for _, n := range nodes {
			all = append(all, &csi.Topology{Segments: map[string]string{"d.example.org/node": n}})
		}
		return all
	}
	foreign := &csi.Topology{Segments: map[string]string{"zone": "z"}}
	for name, test := range map[string]struct {
		claims       Claims
		requirements *csi.TopologyRequirement
		want         string
	}{
		"NotClaimed": {Claims{}, &csi.TopologyRequirement{Requisite: on("a")}, ""},
		"NotAsked":   {Claims{topology: true}, nil, ""},
		"Preferred":  {Claims{topology: true}, &csi.TopologyRequirement{Requisite: on("a", "b"), Preferred: on("b", "a")}, "b"},
		"Requisite":  {Claims{topology: true}, &csi.TopologyRequirement{Requisite: on("a", "b")}, "a"},
		"Foreign":    {Claims{topology: true}, &csi.TopologyRequirement{Preferred: []*csi.Topology{foreign}, Requisite: on("a")}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Options{DriverName: "d.example.org", Claims: test.claims}).place(test.requirements); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func newController(t *testing.T, claims string) *controller {
	t.Helper()
	data, err := store.Open(t.TempDir())
	must(t, err)
	c := &controller{store: data}
	must(t, c.options.Claims.Set(claims))
	return c
}

func createdVolume(t *testing.T, c *controller, req *csi.CreateVolumeRequest) string {
	t.Helper()
	made, err := c.CreateVolume(t.Context(), req)
	must(t, err)
	return made.GetVolume().GetVolumeId()
}

// asCoded is what the caller of an RPC sees.
func asCoded(err error) error {
	if err == nil {
		return nil
	}
	return coded(err)
}

func mount() []*csi.VolumeCapability {
	return []*csi.VolumeCapability{{AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}}}}
}

func block() []*csi.VolumeCapability {
	return []*csi.VolumeCapability{{AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}}}
}

func clone(volume string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: volume}}}
}

func restore(snapshot string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: snapshot}}}
}

// must fails at once.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
