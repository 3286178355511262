// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/version"
)

// span is a flag or a feature gate and the releases that know it.
type span struct {
	// name of a flag without dashes, of a gate as in --feature-gates.
	name string
	// since is the first release that knows it; "": the oldest of the table
	// knows it already.
	since string
	// until is the first release without it; "": the newest of the table still
	// knows it.
	until string
}

// releases are what is known of the versions of one sidecar.
//
// A table errs on one side: what a release was not seen to know, it does not
// know. A sidecar exits at once over an unknown flag or gate, while one that is
// refused here costs no volume. A release of which no source was at hand stands
// between two that were read and agree, or its release notes name the change.
type releases struct {
	// oldest and newest are the first and the last version that the table
	// speaks of.
	oldest, newest string
	// flags do not list --help. gates do not list those of the libraries that a
	// binary is linked with: they change nothing of a sidecar.
	flags, gates []span
}

// knows tells whether the table speaks of a version. What a vendor appends to
// it, such as -eksbuild.5, says nothing of the flags and is ignored.
func (r releases) knows(tag string) bool {
	v, ok := parseRelease(tag)
	return ok && r.contain(v)
}

// flagsAt are the flags that a version takes, in alphabetical order; none for a
// version that is not known.
func (r releases) flagsAt(tag string) []string { return r.namesAt(r.flags, tag) }

// gatesAt are the feature gates that a version takes, in alphabetical order;
// none for a version that is not known.
func (r releases) gatesAt(tag string) []string { return r.namesAt(r.gates, tag) }

func (r releases) namesAt(spans []span, tag string) []string {
	v, ok := parseRelease(tag)
	if !ok || !r.contain(v) {
		return nil
	}
	var names []string
	for _, s := range spans {
		if s.covers(v) {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return names
}

func (r releases) contain(v *version.Version) bool {
	oldest, hasOldest := parseRelease(r.oldest)
	newest, hasNewest := parseRelease(r.newest)
	return hasOldest && hasNewest && v.AtLeast(oldest) && !v.GreaterThan(newest)
}

// covers takes since and until for releases: a test reads all of them.
func (s span) covers(v *version.Version) bool {
	return (s.since == "" || v.AtLeast(version.MustParseSemantic(s.since))) &&
		(s.until == "" || v.LessThan(version.MustParseSemantic(s.until)))
}

// parseRelease is a tag's major, minor and patch version. A tag that lacks one
// of them moves from release to release and is none.
func parseRelease(tag string) (*version.Version, bool) {
	v, err := version.ParseSemantic(tag)
	if err != nil {
		return nil, false
	}
	return version.MajorMinor(v.Major(), v.Minor()).WithPatch(v.Patch()), true
}

// throughout are names that all releases of a table know.
func throughout(names ...string) []span { return spanned("", "", names) }

// sinceRelease are names that one release brought.
func sinceRelease(since string, names ...string) []span { return spanned(since, "", names) }

// untilRelease are names that one release took away.
func untilRelease(until string, names ...string) []span { return spanned("", until, names) }

func spanned(since, until string, names []string) []span {
	spans := make([]span, 0, len(names))
	for _, name := range names {
		spans = append(spans, span{name: name, since: since, until: until})
	}
	return spans
}

// socketFlags are those that every sidecar knows, in each of its releases.
func socketFlags() []string {
	return []string{"csi-address", "http-endpoint", "v", "vmodule"}
}

// controllerFlags are those that every sidecar with leader election knows, in
// each of its releases.
func controllerFlags() []string {
	return append(socketFlags(),
		"kubeconfig",
		"leader-election",
		"leader-election-lease-duration",
		"leader-election-namespace",
		"leader-election-renew-deadline",
		"leader-election-retry-period",
		"metrics-address",
		"metrics-path",
		"version",
	)
}

// throttleFlags slow down the calls to the API server.
func throttleFlags() []string { return []string{"kube-api-burst", "kube-api-qps"} }

// componentLogFlags are those that k8s.io/component-base/logs registers beside
// v and vmodule, with the JSON format.
func componentLogFlags() []string {
	return []string{
		"log-flush-frequency",
		"log-json-info-buffer-size",
		"log-json-split-stream",
		"log-text-info-buffer-size",
		"log-text-split-stream",
		"logging-format",
	}
}

// klogFlags are those that k8s.io/klog registers beside v and vmodule.
func klogFlags() []string {
	return []string{
		"add_dir_header",
		"alsologtostderr",
		"log_backtrace_at",
		"log_dir",
		"log_file",
		"log_file_max_size",
		"logtostderr",
		"one_output",
		"skip_headers",
		"skip_log_headers",
		"stderrthreshold",
	}
}

// gatesOfAll set every gate of one stage; whatever takes --feature-gates knows
// them.
func gatesOfAll() []string { return []string{"AllAlpha", "AllBeta"} }

// ReleaseOf is the version that a tag tells of, such as v4.12.0-eksbuild.5; empty for
// one that tells of none.
func ReleaseOf(tag string) string {
	if _, ok := parseRelease(tag); !ok {
		return ""
	}
	return tag
}

// TakesGate tells whether the sidecar's version takes a feature gate, and which it takes.
// Of a version that the catalogue does not know, everything may be.
func (s Sidecar) TakesGate(gate string) (bool, []string) {
	return takes(s.releases, s.Version, gate, s.releases.gatesAt(s.Version))
}

// TakesFlag is TakesGate for a flag without dashes.
func (s Sidecar) TakesFlag(flag string) (bool, []string) {
	return takes(s.releases, s.Version, flag, s.releases.flagsAt(s.Version))
}

func takes(r releases, version, name string, all []string) (bool, []string) {
	return !r.knows(version) || slices.Contains(all, name), all
}
