// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/util/validation"
)

func settings() Settings {
	return Settings{HostSocket: "/var/lib/kubelet/plugins/a.example.com/csi.sock"}
}

func TestIn(t *testing.T) {
	want := map[Placement][]string{
		Controller: {"csi-provisioner", "csi-attacher", "csi-resizer", "livenessprobe"},
		Node:       {"node-driver-registrar", "livenessprobe"},
	}
	for placement, names := range want {
		sidecars := In(placement)
		got := make([]string, 0, len(sidecars))
		for _, s := range sidecars {
			got = append(got, s.Name)
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", placement, diff)
		}
	}
}

// TestArgs is the list of all command lines. A sidecar exits at once when it
// does not know a flag: look each up in the source of the pinned version.
func TestArgs(t *testing.T) {
	elected := func(port string, more ...string) []string {
		return append([]string{
			"--csi-address=/csi/csi.sock", "--http-endpoint=:" + port, "--v=2",
			"--leader-election", "--leader-election-namespace=$(POD_NAMESPACE)", "--retry-interval-max=1m",
		}, more...)
	}
	want := map[string][]string{
		"csi-provisioner": elected("9809", "--timeout=60s", "--default-fstype=ext4"),
		"csi-attacher":    elected("9810", "--timeout=60s"),
		"csi-resizer":     elected("9811", "--timeout=60s", "--handle-volume-inuse-error=false"),
		"node-driver-registrar": {
			"--csi-address=/csi/csi.sock", "--http-endpoint=:9809", "--v=2",
			"--kubelet-registration-path=/var/lib/kubelet/plugins/a.example.com/csi.sock",
		},
		"livenessprobe": {"--csi-address=/csi/csi.sock", "--http-endpoint=:9808", "--v=2"},
	}
	got := map[string][]string{}
	for _, s := range Catalogue() {
		got[s.Name] = s.Args(settings())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestLeases has the names that real sidecars were seen to create.
func TestLeases(t *testing.T) {
	want := map[string]string{
		"csi-provisioner": "hostpath-csi-k8s-io",
		"csi-attacher":    "external-attacher-leader-hostpath-csi-k8s-io",
		"csi-resizer":     "external-resizer-hostpath-csi-k8s-io",
	}
	got := map[string]string{}
	for _, s := range Catalogue() {
		if s.Lease != nil {
			got[s.Name] = s.Lease("hostpath.csi.k8s.io")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestLeaseName(t *testing.T) {
	cases := map[string]struct{ driver, want string }{
		"KeepsCapitals":    {"Disk.CSI.example", "p-Disk-CSI-example"},
		"OneDashEach":      {"a._b", "p-a--b"},
		"LettersAndDigits": {"/09:@AZ[`az{x", "p--09--AZ--az-x"},
		"NeverEndsInADash": {"a.", "p-a-X"},
		"Empty":            {"", "p-X"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := leaseName("p-", tc.driver); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestElection: a sidecar that elects has all that election takes, and the
// others have none of it.
func TestElection(t *testing.T) {
	for _, s := range Catalogue() {
		elects := slices.Contains(s.Args(settings()), "--leader-election")
		if (s.Lease != nil) != elects {
			t.Errorf("%s: elects %v, has a Lease %v", s.Name, elects, s.Lease != nil)
		}
		probed := s.Liveness != nil && s.Liveness.HTTPGet.Path == "/healthz/leader-election"
		if probed != elects {
			t.Errorf("%s: elects %v, is probed for it %v", s.Name, elects, probed)
		}
	}
}

var release = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

func TestEntriesAreWhole(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Catalogue() {
		if problems := validation.IsDNS1123Label(s.Name); len(problems) > 0 || names[s.Name] {
			t.Errorf("%q is taken or no name of a container: %v", s.Name, problems)
		}
		names[s.Name] = true
		if !release.MatchString(s.Version) || s.Image() != s.Repository+":"+s.Version {
			t.Errorf("%s: image %q is not pinned to a release", s.Name, s.Image())
		}
		if len(s.Placements) == 0 {
			t.Errorf("%s runs nowhere", s.Name)
		}
		endpoint := fmt.Sprintf("--http-endpoint=:%d", s.Port)
		if s.Port != 0 && !slices.Contains(s.Args(settings()), endpoint) {
			t.Errorf("%s declares port %d and does not open it", s.Name, s.Port)
		}
		if s.Liveness != nil && (s.Port == 0 || s.Liveness.HTTPGet.Port.IntVal != s.Port) {
			t.Errorf("%s is probed at a port that it does not declare", s.Name)
		}
	}
}

// TestRules is the list of all rights, of each sidecar by itself: what another one
// is granted as well does not count.
func TestRules(t *testing.T) {
	events := "events: list watch create update patch"
	want := map[string][]string{
		"csi-provisioner": {
			"persistentvolumes: get list watch create patch delete",
			"persistentvolumeclaims: get list watch update",
			events,
			"storage.k8s.io/storageclasses: get list watch",
			"nodes: get list watch",
			"storage.k8s.io/csinodes: get list watch",
			"storage.k8s.io/volumeattachments: get list watch",
		},
		"csi-attacher": {
			"persistentvolumes: get list watch patch",
			"storage.k8s.io/csinodes: get list watch",
			"storage.k8s.io/volumeattachments: get list watch patch",
			"storage.k8s.io/volumeattachments/status: patch",
		},
		"csi-resizer": {
			"persistentvolumes: get list watch patch",
			"persistentvolumeclaims: get list watch",
			"persistentvolumeclaims/status: patch",
			events,
		},
		"node-driver-registrar": nil,
		"livenessprobe":         nil,
	}
	got := map[string][]string{}
	for _, s := range Catalogue() {
		var rules []string
		for _, r := range s.Rules {
			what := strings.TrimPrefix(strings.Join(r.APIGroups, ",")+"/", "/") + strings.Join(r.Resources, ",")
			rules = append(rules, what+": "+strings.Join(r.Verbs, " "))
		}
		got[s.Name] = rules
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestRulesAreExact: no wildcard, and nothing that merging would lose.
func TestRulesAreExact(t *testing.T) {
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	for _, s := range Catalogue() {
		for _, r := range s.Rules {
			if len(r.APIGroups) != 1 || len(r.Resources) != 1 || len(r.Verbs) == 0 {
				t.Errorf("%s: %v is not about one resource", s.Name, r)
			}
			if len(r.ResourceNames) > 0 || len(r.NonResourceURLs) > 0 {
				t.Errorf("%s: %v names objects or URLs", s.Name, r)
			}
			for _, v := range r.Verbs {
				if !slices.Contains(verbs, v) {
					t.Errorf("%s: verb %q", s.Name, v)
				}
			}
			if strings.Contains(strings.Join(slices.Concat(r.APIGroups, r.Resources), " "), "*") {
				t.Errorf("%s: %v has a wildcard", s.Name, r)
			}
		}
	}
}

// TestCatalogueIsFresh scribbles over one catalogue and looks at the next.
func TestCatalogueIsFresh(t *testing.T) {
	ignore := cmpopts.IgnoreFields(Sidecar{}, "Args", "Lease")
	want, spoilt := Catalogue(), Catalogue()
	for i := range spoilt {
		s := &spoilt[i]
		s.Placements[0] = "scribble"
		for j := range s.Rules {
			s.Rules[j].Verbs[0] = "*"
		}
		for j := range s.Env {
			s.Env[j].ValueFrom.FieldRef.FieldPath = "scribble"
		}
		for j := range s.Mounts {
			s.Mounts[j].MountPath = "scribble"
		}
		if s.Liveness != nil {
			s.Liveness.HTTPGet.Path = "scribble"
		}
		s.Args(settings())[0] = "scribble"
	}
	if diff := cmp.Diff(want, Catalogue(), ignore); diff != "" {
		t.Errorf("catalogues share values:\n%s", diff)
	}
	for _, s := range Catalogue() {
		if got := s.Args(settings())[0]; got != "--csi-address="+SocketPath {
			t.Errorf("%s: command lines share values: %q", s.Name, got)
		}
	}
}

func TestDefaultResources(t *testing.T) {
	r := DefaultResources()
	if cpu, memory := r.Requests.Cpu().String(), r.Requests.Memory().String(); cpu != "10m" || memory != "20Mi" {
		t.Errorf("got %s and %s, want 10m and 20Mi", cpu, memory)
	}
	if len(r.Limits) > 0 {
		t.Errorf("limits %v", r.Limits)
	}
}
