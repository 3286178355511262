// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/version"
)

// allReleases are all tables, by the name of the container.
func allReleases() map[string]releases {
	return map[string]releases{
		"csi-provisioner":                        provisionerReleases(),
		"csi-attacher":                           attacherReleases(),
		"csi-resizer":                            resizerReleases(),
		"csi-snapshotter":                        snapshotterReleases(),
		"csi-external-health-monitor-controller": healthMonitorReleases(),
		"node-driver-registrar":                  registrarReleases(),
		"livenessprobe":                          livenessProbeReleases(),
	}
}

// flagsOfKlog are those of InitFlags of k8s.io/klog v2.130.
func flagsOfKlog() []string {
	return []string{
		"add_dir_header", "alsologtostderr", "log_backtrace_at", "log_dir", "log_file", "log_file_max_size", "logtostderr",
		"one_output", "skip_headers", "skip_log_headers", "stderrthreshold", "v", "vmodule",
	}
}

// flagsOfComponentLogs are those of logsapi.AddFlags of k8s.io/component-base.
func flagsOfComponentLogs() []string {
	return []string{
		"log-flush-frequency", "log-json-info-buffer-size", "log-json-split-stream", "log-text-info-buffer-size",
		"log-text-split-stream", "logging-format", "v", "vmodule",
	}
}

// TestFlagsAt has what was seen in the sources and release notes of the
// versions, not what follows from the tables.
func TestFlagsAt(t *testing.T) {
	type flags struct{ takes, refuses []string }
	cases := map[string]map[string]flags{
		"csi-provisioner": {
			"v5.0.1": {
				takes:   append(flagsOfKlog(), "feature-gates", "kube-api-qps", "kube-api-burst"),
				refuses: []string{"logging-format"},
			},
			"v5.1.0": {
				takes:   []string{"csi-address", "enable-capacity", "log_file_max_size", "vmodule"},
				refuses: []string{"automaxprocs", "log-flush-frequency", "snapshot-orphan-sweep-interval"},
			},
			"v5.2.0": {takes: flagsOfComponentLogs(), refuses: []string{"alsologtostderr"}},
			"v5.3.0": {
				takes:   []string{"log-json-split-stream", "kube-api-capacity-qps", "master"},
				refuses: []string{"automaxprocs", "leader-election-labels", "logtostderr"},
			},
			"v6.0.0": {takes: []string{"automaxprocs"}, refuses: []string{"leader-election-labels"}},
			"v6.2.0": {refuses: []string{"snapshot-orphan-sweep-interval"}},
			"v6.3.0": {
				takes:   []string{"automaxprocs", "leader-election-labels", "snapshot-orphan-sweep-interval"},
				refuses: []string{"max-entries", "workers"},
			},
			"v6.4.0": {takes: []string{"kubeconfig", "strict-topology"}, refuses: []string{"log_dir"}},
		},
		"csi-attacher": {
			"v4.6.1":  {takes: []string{"logging-format", "max-entries"}, refuses: []string{"feature-gates", "log_dir"}},
			"v4.8.0":  {refuses: []string{"automaxprocs"}},
			"v4.9.0":  {takes: []string{"automaxprocs"}, refuses: []string{"feature-gates"}},
			"v4.10.0": {takes: []string{"feature-gates", "max-grpc-log-length"}},
			"v4.11.0": {refuses: []string{"leader-election-labels"}},
			"v4.12.0": {
				takes:   []string{"kube-api-qps", "leader-election-labels", "reconcile-sync"},
				refuses: []string{"master", "workers"},
			},
			"v4.13.0": {takes: []string{"default-fstype", "resync"}, refuses: []string{"resync-period"}},
		},
		"csi-resizer": {
			"v1.11.1": {
				takes:   append(flagsOfComponentLogs(), "handle-volume-inuse-error", "kube-api-qps", "kube-api-burst"),
				refuses: []string{"extra-modify-metadata"},
			},
			"v1.12.0": {takes: []string{"master", "workers"}, refuses: []string{"extra-modify-metadata", "log_dir"}},
			"v1.13.0": {takes: []string{"extra-modify-metadata"}, refuses: []string{"automaxprocs"}},
			"v1.14.0": {takes: []string{"automaxprocs"}, refuses: []string{"leader-election-labels", "worker-threads"}},
			"v2.1.0":  {takes: []string{"kubeconfig"}, refuses: []string{"leader-election-labels"}},
			"v2.2.0":  {takes: []string{"leader-election-labels"}, refuses: []string{"resync"}},
			"v2.2.1":  {takes: []string{"automaxprocs"}, refuses: []string{"modify-timeout", "resize-timeout"}},
			"v2.3.0":  {takes: []string{"modify-timeout", "resize-timeout", "timeout"}, refuses: []string{"default-fstype"}},
		},
		"csi-snapshotter": {
			"v8.1.0": {
				takes:   []string{"alsologtostderr", "enable-volume-group-snapshots", "groupsnapshot-name-prefix"},
				refuses: []string{"feature-gates", "logging-format"},
			},
			"v8.2.0": {
				takes:   []string{"feature-gates", "log_dir"},
				refuses: []string{"automaxprocs", "enable-volume-group-snapshots", "logging-format"},
			},
			"v8.3.0": {takes: []string{"automaxprocs", "logging-format"}, refuses: []string{"log_dir"}},
			"v8.4.0": {refuses: []string{"leader-election-labels"}},
			"v8.5.0": {takes: []string{"leader-election-labels"}, refuses: []string{"retry-crd-interval-max"}},
			"v8.7.0": {takes: []string{"extra-create-metadata", "kube-api-burst"}, refuses: []string{"master"}},
		},
		"csi-external-health-monitor-controller": {
			"v0.14.0": {takes: []string{"logging-format", "enable-node-watcher"}, refuses: []string{"automaxprocs"}},
			"v0.15.0": {takes: []string{"automaxprocs", "node-list-add-interval"}, refuses: []string{"kube-api-qps"}},
			"v0.18.0": {
				takes:   []string{"enable-node-watcher", "monitor-interval"},
				refuses: []string{"feature-gates", "leader-election-labels"},
			},
			"v0.19.0": {
				takes:   []string{"kube-api-qps", "leader-election-labels", "list-volumes-interval"},
				refuses: []string{"enable-node-watcher", "feature-gates", "log_dir"},
			},
		},
		"node-driver-registrar": {
			"v2.11.1": {takes: []string{"logging-format", "mode"}, refuses: []string{"alsologtostderr"}},
			"v2.13.0": {takes: []string{"plugin-registration-path", "version"}, refuses: []string{"automaxprocs"}},
			"v2.14.0": {takes: []string{"automaxprocs"}, refuses: []string{"feature-gates"}},
			"v2.17.0": {takes: []string{"kubelet-registration-path"}, refuses: []string{"leader-election", "metrics-path"}},
		},
		"livenessprobe": {
			"v2.13.0": {takes: []string{"logging-format", "probe-timeout"}, refuses: []string{"log_dir", "version"}},
			"v2.15.0": {takes: []string{"health-port"}, refuses: []string{"automaxprocs"}},
			"v2.16.0": {takes: []string{"automaxprocs", "metrics-address"}, refuses: []string{"timeout"}},
			"v2.19.0": {takes: []string{"http-endpoint", "metrics-path"}, refuses: []string{"leader-election"}},
		},
	}
	tables := allReleases()
	for name, versions := range cases {
		for tag, want := range versions {
			checkNames(t, name+" "+tag+" flags", tables[name].flagsAt(tag), want.takes, want.refuses)
		}
	}
}

// TestGatesAt is to gates what TestFlagsAt is to flags: all that a version
// takes.
func TestGatesAt(t *testing.T) {
	cases := map[string]map[string][]string{
		"csi-provisioner": {
			"v5.0.1": {
				"AllAlpha", "AllBeta", "CSINodeExpandSecret", "CrossNamespaceVolumeDataSource", "HonorPVReclaimPolicy",
				"Topology", "VolumeAttributesClass",
			},
			"v5.1.0": {
				"AllAlpha", "AllBeta", "CrossNamespaceVolumeDataSource", "HonorPVReclaimPolicy", "Topology",
				"VolumeAttributesClass",
			},
			"v5.3.0": {
				"AllAlpha", "AllBeta", "CrossNamespaceVolumeDataSource", "HonorPVReclaimPolicy", "Topology",
				"VolumeAttributesClass",
			},
			"v6.0.0": {
				"AllAlpha", "AllBeta", "CrossNamespaceVolumeDataSource", "HonorPVReclaimPolicy",
				"ReleaseLeaderElectionOnExit", "Topology", "VolumeAttributesClass",
			},
			"v6.1.1": {
				"AllAlpha", "AllBeta", "CrossNamespaceVolumeDataSource", "HonorPVReclaimPolicy",
				"ReleaseLeaderElectionOnExit", "Topology", "VolumeAttributesClass",
			},
			"v6.2.0": {
				"AllAlpha", "AllBeta", "CrossNamespaceVolumeDataSource", "ReleaseLeaderElectionOnExit", "Topology",
				"VolumeAttributesClass",
			},
			"v6.4.0": {
				"AllAlpha", "AllBeta", "CrossNamespaceVolumeDataSource", "ReleaseLeaderElectionOnExit", "Topology",
				"VolumeAttributesClass",
			},
		},
		"csi-attacher": {
			"v4.9.0":  nil,
			"v4.10.0": {"AllAlpha", "AllBeta", "MutableCSINodeAllocatableCount", "ReleaseLeaderElectionOnExit"},
			"v4.13.0": {"AllAlpha", "AllBeta", "MutableCSINodeAllocatableCount", "ReleaseLeaderElectionOnExit"},
		},
		"csi-resizer": {
			"v1.14.0": {
				"AllAlpha", "AllBeta", "AnnotateFsResize", "RecoverVolumeExpansionFailure", "VolumeAttributesClass",
			},
			"v2.0.0": {
				"AllAlpha", "AllBeta", "AnnotateFsResize", "RecoverVolumeExpansionFailure", "ReleaseLeaderElectionOnExit",
				"VolumeAttributesClass",
			},
			"v2.2.1": {
				"AllAlpha", "AllBeta", "AnnotateFsResize", "RecoverVolumeExpansionFailure", "ReleaseLeaderElectionOnExit",
				"VolumeAttributesClass",
			},
			"v2.3.0": {
				"AllAlpha", "AllBeta", "AnnotateFsResize", "ReleaseLeaderElectionOnExit", "VolumeAttributesClass",
			},
		},
		"csi-snapshotter": {
			"v8.1.0": nil,
			"v8.2.0": {"AllAlpha", "AllBeta", "CSIVolumeGroupSnapshot"},
			"v8.3.0": {"AllAlpha", "AllBeta", "CSIVolumeGroupSnapshot"},
			"v8.4.0": {"AllAlpha", "AllBeta", "CSIVolumeGroupSnapshot", "ReleaseLeaderElectionOnExit"},
			"v8.7.0": {"AllAlpha", "AllBeta", "CSIVolumeGroupSnapshot", "ReleaseLeaderElectionOnExit"},
		},
		"csi-external-health-monitor-controller": {"v0.12.0": nil, "v0.19.0": nil},
		"node-driver-registrar":                  {"v2.11.1": nil, "v2.17.0": nil},
		"livenessprobe":                          {"v2.13.0": nil, "v2.20.0": nil},
	}
	tables := allReleases()
	for name, versions := range cases {
		for tag, want := range versions {
			if diff := cmp.Diff(want, tables[name].gatesAt(tag)); diff != "" {
				t.Errorf("%s %s: -want, +got:\n%s", name, tag, diff)
			}
		}
	}
}

// checkNames wants a sorted list with some names and without others.
func checkNames(t *testing.T, what string, got, with, without []string) {
	t.Helper()
	if len(got) == 0 || !slices.IsSorted(got) {
		t.Errorf("%s: want some in alphabetical order, got %q", what, got)
	}
	for _, name := range with {
		if !slices.Contains(got, name) {
			t.Errorf("%s: want %s, got %q", what, name, got)
		}
	}
	for _, name := range without {
		if slices.Contains(got, name) {
			t.Errorf("%s: want no %s, got %q", what, name, got)
		}
	}
}

func TestKnows(t *testing.T) {
	table := releases{oldest: "v1.2.3", newest: "v2.10.1", flags: throughout("a"), gates: throughout("A")}
	cases := map[string]bool{
		"v1.2.3":                true,
		"v2.0.0":                true,
		"v2.9.9":                true, // not by the letters
		"v2.10.1":               true,
		"2.0.0":                 true,
		"v1.2.3-eksbuild.5":     true, // not before v1.2.3
		"v2.10.1-eksbuild.5":    true,
		"v2.0.0-eks-1-33-7":     true,
		"v2.0.0-rc.1+build.7":   true,
		"v2.10.1+build.7":       true,
		"v1.2.2":                false,
		"v1.2.2-eksbuild.5":     false,
		"v2.10.2":               false,
		"v2.11.0":               false,
		"v3.0.0":                false,
		"v2.0":                  false,
		"v2":                    false,
		"canary":                false,
		"":                      false,
		"v2.0.0@sha256:0123abc": false,
	}
	for tag, want := range cases {
		if got := table.knows(tag); got != want {
			t.Errorf("%q: known: %v, want %v", tag, got, want)
		}
		// Nothing is said of a version that is not known.
		if got := table.flagsAt(tag); (len(got) > 0) != want {
			t.Errorf("%q: flags %q, want some: %v", tag, got, want)
		}
		if got := table.gatesAt(tag); (len(got) > 0) != want {
			t.Errorf("%q: gates %q, want some: %v", tag, got, want)
		}
	}
}

func TestKnowsNothingWithoutATable(t *testing.T) {
	if (releases{}).knows("v1.0.0") {
		t.Error("an empty table knows v1.0.0")
	}
}

// TestNamesAtBounds: since is the first release with a name, until the first
// without it, whatever a vendor appends.
func TestNamesAtBounds(t *testing.T) {
	table := releases{oldest: "v1.0.0", newest: "v4.0.0", flags: slices.Concat(
		sinceRelease("v3.0.0", "brought"),
		untilRelease("v2.0.0", "taken"),
		[]span{{name: "between", since: "v1.5.0", until: "v2.5.0"}},
		throughout("always"),
	)}
	cases := map[string][]string{
		"v1.0.0":            {"always", "taken"},
		"v1.4.9":            {"always", "taken"},
		"v1.5.0-eksbuild.1": {"always", "between", "taken"},
		"v1.9.9":            {"always", "between", "taken"},
		"v2.0.0":            {"always", "between"},
		"v2.0.0-eksbuild.1": {"always", "between"},
		"v2.4.9":            {"always", "between"},
		"v2.5.0":            {"always"},
		"v2.9.9":            {"always"},
		"v3.0.0-eksbuild.1": {"always", "brought"},
		"v4.0.0":            {"always", "brought"},
	}
	for tag, want := range cases {
		if diff := cmp.Diff(want, table.flagsAt(tag)); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", tag, diff)
		}
	}
}

// TestTables: bounds are releases in their order inside of the table, and no
// two spans of one name overlap.
func TestTables(t *testing.T) {
	for name, table := range allReleases() {
		oldest, newest := boundary(t, name, table.oldest), boundary(t, name, table.newest)
		if !oldest.LessThan(newest) {
			t.Errorf("%s: %s is not before %s", name, oldest, newest)
		}
		for _, spans := range [][]span{table.flags, table.gates} {
			for _, s := range spans {
				checkBounds(t, name, s, oldest, newest)
			}
			checkNoOverlap(t, name, spans)
		}
	}
}

// checkBounds: since the oldest release means "", and until is at most the
// newest, or nothing would be known of it.
func checkBounds(t *testing.T, table string, s span, oldest, newest *version.Version) {
	t.Helper()
	if s.name == "" || s.name[0] == '-' {
		t.Errorf("%s: %q is no name", table, s.name)
	}
	first := oldest
	if s.since != "" {
		first = boundary(t, table, s.since)
		if !first.GreaterThan(oldest) || first.GreaterThan(newest) {
			t.Errorf("%s: %s since %s is not in (%s, %s]", table, s.name, s.since, oldest, newest)
		}
	}
	if s.until != "" {
		last := boundary(t, table, s.until)
		if !last.GreaterThan(oldest) || last.GreaterThan(newest) {
			t.Errorf("%s: %s until %s is not in (%s, %s]", table, s.name, s.until, oldest, newest)
		}
		if !first.LessThan(last) {
			t.Errorf("%s: %s since %s until %s", table, s.name, s.since, s.until)
		}
	}
}

// checkNoOverlap wants at most one span of a name for each release.
func checkNoOverlap(t *testing.T, table string, spans []span) {
	t.Helper()
	for i, s := range spans {
		for _, other := range spans[i+1:] {
			if s.name == other.name && !endsBefore(s, other) && !endsBefore(other, s) {
				t.Errorf("%s: %s overlaps itself: %+v, %+v", table, s.name, s, other)
			}
		}
	}
}

// endsBefore tells whether the last release of one span is before the first of
// the other.
func endsBefore(one, other span) bool {
	return one.until != "" && other.since != "" &&
		!version.MustParseSemantic(one.until).GreaterThan(version.MustParseSemantic(other.since))
}

// boundary is a release in a table: nothing is appended to it.
func boundary(t *testing.T, table, tag string) *version.Version {
	t.Helper()
	v, err := version.ParseSemantic(tag)
	if err != nil {
		t.Fatalf("%s: %q: %v", table, tag, err)
	}
	if "v"+v.String() != tag || v.PreRelease() != "" || v.BuildMetadata() != "" {
		t.Errorf("%s: %q is no release", table, tag)
	}
	return v
}
