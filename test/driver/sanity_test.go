// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
)

// everything is what the driver implements.
const everything = "--capabilities=Identity/CONTROLLER_SERVICE,Identity/GROUP_CONTROLLER_SERVICE,Identity/VOLUME_ACCESSIBILITY_CONSTRAINTS," +
	"Controller/CREATE_DELETE_VOLUME,Controller/PUBLISH_UNPUBLISH_VOLUME,Controller/LIST_VOLUMES,Controller/LIST_VOLUMES_PUBLISHED_NODES," +
	"Controller/GET_CAPACITY,Controller/CREATE_DELETE_SNAPSHOT,Controller/LIST_SNAPSHOTS,Controller/GET_SNAPSHOT,Controller/CLONE_VOLUME," +
	"Controller/EXPAND_VOLUME,Controller/GET_VOLUME,Controller/MODIFY_VOLUME,GroupController/CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT," +
	"Node/STAGE_UNSTAGE_VOLUME,Node/GET_VOLUME_STATS,Node/EXPAND_VOLUME"

// anyParameter are the specs that want unknown mutable parameters to be refused:
// this driver takes all.
func anyParameter() []string {
	return []string{
		"should not create volume with an invalid volume attribute class",
		"should fail if specified mutable parameters are not supported by the volume",
		"should fail to modify a volume created with a volume attribute class if new mutable parameters are not supported by volume",
	}
}

// notClaimed are the reasons for which other specs may be skipped.
func notClaimed() []string {
	return []string{
		"", // anyParameter
		"ControllerPublishVolume.readonly field not supported",
		"ControllerGetVolumeHealth not supported",
		"ControllerListVolumeHealth not supported",
		"NodeGetVolumeHealth not supported",
		"NodeGetStorageHealth not supported",
		"SNAPSHOT_ACCESSIBILITY_CONSTRAINTS not supported",
		"Service does not have single node multi writer capability",
		"testnodevolumeattachlimit not enabled",
	}
}

// TestSanity runs csi-sanity against a controller and a node that are processes of
// their own.
func TestSanity(t *testing.T) {
	requireRoot(t)
	data, dir := t.TempDir(), t.TempDir()
	config := sanity.NewTestConfig()
	config.ControllerAddress = start(t, data, everything, "--node=false").endpoint
	config.Address = start(t, data, everything, "--controller=false", "--node-id=node-a").endpoint
	config.TargetPath = filepath.Join(dir, "targets")
	config.StagingPath = filepath.Join(dir, "staging")
	config.TestVolumeMutableParameters = map[string]string{"iops": "100"}

	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.Describe("test driver", func() { sanity.GinkgoTest(&config) })
	ginkgo.ReportAfterSuite("skipped specs", func(report ginkgo.Report) { judgeSkips(t, report) })
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.SkipStrings = anyParameter()
	reporter.Succinct, reporter.NoColor = true, true
	ginkgo.RunSpecs(t, "csi-sanity", suite, reporter)
}

// judgeSkips fails for what was skipped although the driver implements it.
func judgeSkips(t *testing.T, report ginkgo.Report) {
	for _, spec := range report.SpecReports {
		if spec.State.Is(types.SpecStateSkipped) && !slices.Contains(notClaimed(), spec.Failure.Message) {
			t.Errorf("skipped: %s: %s", spec.FullText(), spec.Failure.Message)
		}
	}
}
