// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/go-logr/logr"
	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
	"google.golang.org/grpc"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pooldriver"
)

// notClaimed are the reasons for which csi-sanity may skip a spec: each is a
// capability that the driver does not claim.
func notClaimed() []string {
	return []string{
		"GetCapacity not supported",
		"ListVolumes not supported",
		"Snapshot not supported",
		"Volume Cloning not supported",
		"Modify volume not supported",
		"Modify Volume not supported",
		"ControllerPublishVolume.readonly field not supported",
		"ListSnapshots not supported",
		"GetSnapshot not supported",
		"DeleteSnapshot not supported",
		"CreateSnapshot not supported",
		"SNAPSHOT_ACCESSIBILITY_CONSTRAINTS not supported",
		"ControllerModifyVolume not supported",
		"ControllerGetVolumeHealth not supported",
		"ControllerListVolumeHealth not supported",
		"GroupControllerService not supported",
		"VolumeGroupSnapshots not supported",
		"NodeGetVolumeHealth not supported",
		"NodeGetStorageHealth not supported",
		"Service does not have single node multi writer capability",
		"testnodevolumeattachlimit not enabled", // NodeGetInfo sets no limit
	}
}

// TestSanity runs csi-sanity against the real driver with real mounts: once for
// ext4, once for XFS, once for raw block.
func TestSanity(t *testing.T) {
	requireRoot(t)
	gomega.RegisterFailHandler(ginkgo.Fail)
	for _, kind := range []string{mount.Ext4, mount.XFS, "block"} {
		config := sanityConfig(t, kind)
		ginkgo.Describe(kind, func() { sanity.GinkgoTest(config) })
	}
	ginkgo.ReportAfterSuite("skipped specs", func(report ginkgo.Report) { judgeSkips(t, report) })
	suite, reporter := ginkgo.GinkgoConfiguration()
	reporter.Succinct, reporter.NoColor = true, true
	ginkgo.RunSpecs(t, "csi-sanity", suite, reporter)
}

// judgeSkips prints what was skipped and fails for reasons that are not known.
func judgeSkips(t *testing.T, report ginkgo.Report) {
	skipped := map[string]int{}
	passed := 0
	for _, spec := range report.SpecReports {
		switch {
		case spec.State.Is(types.SpecStateSkipped):
			skipped[spec.Failure.Message]++
			t.Logf("skipped: %s (%s)", spec.FullText(), spec.Failure.Message)
			if !slices.Contains(notClaimed(), spec.Failure.Message) {
				t.Errorf("skipped for a reason that is not allowed: %s: %q", spec.FullText(), spec.Failure.Message)
			}
		case spec.State.Is(types.SpecStatePassed):
			passed++
		}
	}
	if passed == 0 {
		t.Error("no spec ran")
	}
	var summary strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		fmt.Fprintf(&summary, "\n%5d %s", skipped[reason], reason)
	}
	t.Logf("csi-sanity: %d specs passed; skipped, because the driver does not claim the capability:%s", passed, summary.String())
}

// sanityConfig starts a driver of its own for a kind of volume.
func sanityConfig(t *testing.T, kind string) *sanity.TestConfig {
	dir := t.TempDir()
	poolPath := filepath.Join(dir, "pool")
	if err := os.Mkdir(poolPath, 0o755); err != nil {
		t.Fatal(err)
	}
	endpoint := startDriver(t, pooldriver.Config{
		Endpoint:   "unix://" + filepath.Join(dir, "csi.sock"),
		DriverName: "pool.csi-operator.io",
		Mode:       pooldriver.ModeShared,
		PoolPath:   poolPath,
		NodeID:     "node-a",
		StateDir:   filepath.Join(dir, "state"),
		Controller: true,
		Node:       true,
	})
	config := sanity.NewTestConfig()
	config.Address = endpoint
	config.TargetPath = filepath.Join(dir, "targets")
	config.StagingPath = filepath.Join(dir, "staging")
	config.TestVolumeSize = 32 << 20
	config.TestVolumeExpandSize = 64 << 20
	if kind == mount.XFS {
		config.TestVolumeSize, config.TestVolumeExpandSize = 300<<20, 400<<20
		config.DialOptions = append(config.DialOptions, grpc.WithUnaryInterceptor(askFor(kind)))
	}
	if kind == "block" {
		config.TestVolumeAccessType = kind
	}
	return &config
}

// askFor sets the file system in every capability: csi-sanity has no setting for it.
func askFor(fsType string) grpc.UnaryClientInterceptor {
	set := func(c *csi.VolumeCapability) {
		if m := c.GetMount(); m != nil {
			m.FsType = fsType
		}
	}
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if r, ok := req.(interface{ GetVolumeCapability() *csi.VolumeCapability }); ok {
			set(r.GetVolumeCapability())
		}
		if r, ok := req.(interface {
			GetVolumeCapabilities() []*csi.VolumeCapability
		}); ok {
			for _, c := range r.GetVolumeCapabilities() {
				set(c)
			}
		}
		return invoke(ctx, method, req, reply, cc, options...)
	}
}

// startDriver serves until the test ends and returns the endpoint.
func startDriver(t *testing.T, config pooldriver.Config) string {
	t.Helper()
	driver, err := pooldriver.New(config, mount.NewLinux(), logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- driver.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("driver: %v", err)
		}
	})
	awaitSocket(t, strings.TrimPrefix(config.Endpoint, "unix://"))
	return config.Endpoint
}
