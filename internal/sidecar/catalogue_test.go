// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// settings are those of a driver that has no wishes.
func settings(s Sidecar) Settings {
	return Settings{
		Address: "/csi/csi.sock", HostSocket: "/var/lib/kubelet/plugins/a.example.com/csi.sock", Port: s.Port, LogLevel: 2,
	}
}

// TestArgs is the list of all command lines. A sidecar exits at once when it
// does not know a flag: look each up in the source of the pinned version.
func TestArgs(t *testing.T) {
	common := func(port string) []string {
		return []string{"--csi-address=/csi/csi.sock", "--http-endpoint=:" + port, "--v=2"}
	}
	elected := func(port string, more ...string) []string {
		return slices.Concat(common(port), []string{"--leader-election", "--leader-election-namespace=$(POD_NAMESPACE)"}, more)
	}
	want := map[string][]string{
		"csi-provisioner":                        elected("9809", "--retry-interval-max=1m", "--timeout=60s"),
		"csi-attacher":                           elected("9810", "--retry-interval-max=1m", "--timeout=60s"),
		"csi-resizer":                            elected("9811", "--retry-interval-max=1m", "--timeout=60s", "--handle-volume-inuse-error=false"),
		"csi-snapshotter":                        elected("9812", "--retry-interval-max=1m", "--timeout=60s"),
		"csi-external-health-monitor-controller": elected("9813"),
		"node-driver-registrar": append(common("9814"),
			"--kubelet-registration-path=/var/lib/kubelet/plugins/a.example.com/csi.sock"),
		"livenessprobe": common("9808"),
	}
	got := map[string][]string{}
	for _, s := range Catalogue() {
		got[s.Name] = s.Args(settings(s))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestArgsOfWishes has every setting once.
func TestArgsOfWishes(t *testing.T) {
	all := func(s *Settings) {
		s.LogLevel, s.Timeout, s.Loopback = 5, "3m0s", true
		s.LeaseDuration, s.RenewDeadline, s.RetryPeriod = "2m17s", "1m47s", "26s"
	}
	cases := map[string]struct {
		sidecar Sidecar
		edit    func(*Settings)
		want    []string // flags that others do not have
		env     []string
	}{
		"Wishes": {
			sidecar: attacher(), edit: func(s *Settings) { all(s); s.Gates = map[string]bool{"B": false, "A": true} },
			want: []string{
				"--http-endpoint=127.0.0.1:9810", "--v=5", "--leader-election", "--leader-election-namespace=$(POD_NAMESPACE)",
				"--leader-election-lease-duration=2m17s", "--leader-election-renew-deadline=1m47s", "--leader-election-retry-period=26s",
				"--retry-interval-max=1m", "--timeout=3m0s", "--feature-gates=A=true,B=false",
			},
			env: []string{"POD_NAMESPACE"},
		},
		"Alone": {
			sidecar: attacher(), edit: func(s *Settings) { s.Alone = true; s.LeaseDuration = "1m" },
			want: []string{"--http-endpoint=:9810", "--v=2", "--retry-interval-max=1m", "--timeout=60s"},
		},
		"PerNode": {
			sidecar: provisioner(), edit: func(s *Settings) { s.PerNode, s.Capacity, s.OwnedBy = true, true, "DaemonSet" },
			want: []string{
				"--http-endpoint=:9809", "--v=2", "--retry-interval-max=1m", "--timeout=60s", "--node-deployment", "--strict-topology",
				"--immediate-topology=false", "--enable-capacity", "--capacity-ownerref-level=1",
			},
			env: []string{"NAMESPACE", "POD_NAME", "NODE_NAME"},
		},
		"SnapshotsPerNode": {
			sidecar: snapshotter(), edit: func(s *Settings) { s.PerNode = true },
			want: []string{"--http-endpoint=:9812", "--v=2", "--retry-interval-max=1m", "--timeout=60s", "--node-deployment"},
			env:  []string{"NODE_NAME"},
		},
		"CentralCapacity": {
			sidecar: provisioner(), edit: func(s *Settings) { s.Capacity, s.OwnedBy, s.DefaultFSType = true, "Deployment", "xfs" },
			want: []string{
				"--http-endpoint=:9809", "--v=2", "--leader-election", "--leader-election-namespace=$(POD_NAMESPACE)",
				"--retry-interval-max=1m", "--timeout=60s", "--default-fstype=xfs", "--enable-capacity", "--capacity-ownerref-level=2",
			},
			env: []string{"POD_NAMESPACE", "NAMESPACE", "POD_NAME"},
		},
		"Probe": {
			sidecar: livenessProbe(), edit: func(s *Settings) { s.Timeout = "10s" },
			want: []string{"--http-endpoint=:9808", "--v=2", "--probe-timeout=10s"},
		},
		"Registrar": {
			sidecar: nodeDriverRegistrar(), edit: func(s *Settings) { s.Timeout, s.HostSocket = "10s", "/x/y.sock" },
			want: []string{"--http-endpoint=:9814", "--v=2", "--kubelet-registration-path=/x/y.sock", "--timeout=10s"},
		},
		"HealthMonitor": {
			sidecar: healthMonitor(), edit: func(s *Settings) { s.Timeout, s.Alone = "10s", true },
			want: []string{"--http-endpoint=:9813", "--v=2", "--timeout=10s"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set := settings(tc.sidecar)
			tc.edit(&set)
			if diff := cmp.Diff(append([]string{"--csi-address=/csi/csi.sock"}, tc.want...), tc.sidecar.Args(set)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			var env []string
			for _, v := range tc.sidecar.Env(tc.sidecar.Args(set)) {
				env = append(env, v.Name)
			}
			if diff := cmp.Diff(tc.env, env); diff != "" {
				t.Errorf("environment: -want, +got:\n%s", diff)
			}
		})
	}
}

// TestNoVersionEndsOverItsFlags: whatever is asked, each known release of each sidecar
// takes the flags that the catalogue gives.
func TestNoVersionEndsOverItsFlags(t *testing.T) {
	for _, s := range Catalogue() {
		set := settings(s)
		set.Capacity, set.OwnedBy, set.DefaultFSType, set.Timeout = true, "Deployment", "ext4", "1m"
		set.LeaseDuration, set.RenewDeadline, set.RetryPeriod = "1m", "1m", "1m"
		perNode := set
		perNode.PerNode = true
		lines := [][]string{s.Args(set)}
		if slices.Equal(s.Placements, []Placement{Controller, Node}) && !s.Everywhere {
			lines = append(lines, s.Args(perNode))
		}
		versions := slices.Collect(maps.Values(s.versions))
		for _, version := range append(versions, s.releases.oldest, s.releases.newest) {
			for _, arg := range slices.Concat(lines...) {
				flag, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
				if known, _ := s.At(version).TakesFlag(flag); !known || !s.releases.knows(version) {
					t.Errorf("%s %s does not take --%s", s.Name, version, flag)
				}
			}
		}
	}
}

func TestNeeded(t *testing.T) {
	cases := map[string]struct {
		capabilities []string
		want         []Role
	}{
		"None":            {nil, nil},
		"ServiceOnly":     {[]string{ControllerService}, nil},
		"Volumes":         {[]string{CreateVolume}, []Role{Provisioner}},
		"Attach":          {[]string{PublishVolume}, []Role{Attacher}},
		"ControllerGrows": {[]string{ControllerExpand}, []Role{Resizer}},
		"NodeGrows":       {[]string{ControllerService, NodeExpand}, []Role{Resizer}},
		"NodeGrowsAlone":  {[]string{NodeExpand}, nil},
		"Modify":          {[]string{ModifyVolume}, []Role{Resizer}},
		"Snapshots":       {[]string{CreateSnapshot}, []Role{Snapshotter}},
		"Groups":          {[]string{GroupControllerService, GroupSnapshot}, nil},
		"Condition":       {[]string{VolumeCondition}, nil},
		"ConditionList":   {[]string{VolumeCondition, ListVolumes}, []Role{HealthMonitor}},
		"ConditionGet":    {[]string{VolumeCondition, GetVolume}, []Role{HealthMonitor}},
		"NewHealth":       {[]string{GetVolumeHealth, ListVolumes}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := NewCapabilities(tc.capabilities...)
			var got []Role
			for _, s := range Catalogue() {
				if !s.Everywhere && s.Needed(c) {
					got = append(got, s.Role)
				}
				if s.Needed(c) && s.Lacks(c) != "" {
					t.Errorf("%s is needed and would end for %s", s.Name, s.Lacks(c))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestLacks(t *testing.T) {
	want := map[Role]string{
		Resizer:       "any of Controller/EXPAND_VOLUME, Node/EXPAND_VOLUME and Controller/MODIFY_VOLUME",
		Snapshotter:   "Controller/CREATE_DELETE_SNAPSHOT",
		HealthMonitor: "Controller/VOLUME_CONDITION",
	}
	for _, s := range Catalogue() {
		if got := s.Lacks(NewCapabilities(ControllerService)); got != want[s.Role] {
			t.Errorf("%s lacks %q, want %q", s.Role, got, want[s.Role])
		}
	}
	if got := healthMonitor().At("v0.18.0").Lacks(NewCapabilities(VolumeCondition)); got != "any of Controller/LIST_VOLUMES and Controller/GET_VOLUME" {
		t.Errorf("the health monitor lacks %q", got)
	}
}

func TestEndpoint(t *testing.T) {
	cases := map[string]struct {
		sidecar Sidecar
		args    []string
		host    string
		port    int32
	}{
		"All":          {attacher(), []string{"--http-endpoint=:8080"}, "", 8080},
		"Address":      {attacher(), []string{"--http-endpoint=0.0.0.0:8080"}, "", 8080},
		"PodAddress":   {attacher(), []string{"--http-endpoint=$(POD_IP):8080"}, "", 8080},
		"Localhost":    {attacher(), []string{"--http-endpoint=localhost:8080"}, "localhost", 8080},
		"Loopback":     {attacher(), []string{"--http-endpoint=127.0.0.1:8080"}, "127.0.0.1", 8080},
		"LastCounts":   {attacher(), []string{"--http-endpoint=:1", "--http-endpoint=:2"}, "", 2},
		"HealthPort":   {livenessProbe(), []string{"--health-port=8080"}, "", 8080},
		"None":         {attacher(), []string{"--v=2"}, "", 0},
		"NoFlag":       {attacher(), []string{"http-endpoint=:8080"}, "", 0},
		"NoPort":       {attacher(), []string{"--http-endpoint=localhost:x"}, "", 0},
		"IPv6":         {attacher(), []string{"--http-endpoint=[::1]:8080"}, "::1", 8080},
		"AnyIPv6":      {attacher(), []string{"--http-endpoint=[::]:8080"}, "", 8080},
		"NoColon":      {attacher(), []string{"--http-endpoint=8080"}, "", 0},
		"Negative":     {attacher(), []string{"--http-endpoint=:-1"}, "", 0},
		"Largest":      {attacher(), []string{"--http-endpoint=:65535"}, "", 65535},
		"OneTooLarge":  {attacher(), []string{"--http-endpoint=:65536"}, "", 0},
		"TooLarge":     {attacher(), []string{"--http-endpoint=:4294967304"}, "", 0},
		"Unreadable":   {attacher(), []string{"--http-endpoint=$(ENDPOINT)"}, "", 0},
		"ProbeUnasked": {livenessProbe(), nil, "", 9808},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if host, port := tc.sidecar.Endpoint(tc.args); host != tc.host || port != tc.port {
				t.Errorf("got %q and %d, want %q and %d", host, port, tc.host, tc.port)
			}
		})
	}
}

// TestLeases has the names that real sidecars were seen to create.
func TestLeases(t *testing.T) {
	want := map[string]string{
		"csi-provisioner":                        "hostpath-csi-k8s-io",
		"csi-attacher":                           "external-attacher-leader-hostpath-csi-k8s-io",
		"csi-resizer":                            "external-resizer-hostpath-csi-k8s-io",
		"csi-snapshotter":                        "external-snapshotter-leader-hostpath-csi-k8s-io",
		"csi-external-health-monitor-controller": "external-health-monitor-leader-hostpath-csi-k8s-io",
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
		line := s.Args(settings(s))
		elects := slices.Contains(line, "--leader-election")
		if (s.Lease != nil) != elects {
			t.Errorf("%s: elects %v, has a Lease %v", s.Name, elects, s.Lease != nil)
		}
		probe := s.Liveness(line)
		if probed := probe != nil && probe.HTTPGet.Path == "/healthz/leader-election"; probed != elects {
			t.Errorf("%s: elects %v, is probed for it %v", s.Name, elects, probed)
		}
		if elects && probe.FailureThreshold != 1 {
			t.Errorf("%s: may miss %d renewals", s.Name, probe.FailureThreshold)
		}
		if alone := slices.DeleteFunc(line, func(a string) bool { return a == "--leader-election" }); elects && s.Liveness(alone) != nil {
			t.Errorf("%s: is probed for an election that it does not hold", s.Name)
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
		if !release.MatchString(s.Version) || !strings.HasPrefix(s.Repository, "registry.k8s.io/sig-storage/") {
			t.Errorf("%s: image %s:%s is not pinned to a release", s.Name, s.Repository, s.Version)
		}
		if len(s.Placements) == 0 {
			t.Errorf("%s runs nowhere", s.Name)
		}
		if s.Port == 0 || !slices.Contains(s.Args(settings(s)), fmt.Sprintf("--http-endpoint=:%d", s.Port)) {
			t.Errorf("%s does not listen at port %d", s.Name, s.Port)
		}
		if probe := s.Liveness(s.Args(settings(s))); probe != nil && probe.HTTPGet.Port.IntVal != s.Port {
			t.Errorf("%s is probed at another port", s.Name)
		}
	}
}

// everything uses a sidecar for all that it can do.
func everything() Use {
	return Use{
		Capabilities: NewCapabilities(KnownCapabilities()...), Secrets: true, OwnedBy: "Deployment",
		Args: []string{"--enable-capacity", "--feature-gates=CrossNamespaceVolumeDataSource=true"},
	}
}

// TestRules is the list of all rights, of each sidecar by itself: what another one
// is granted as well does not count.
func TestRules(t *testing.T) {
	const (
		events  = "events: list watch create update patch"
		secrets = "secrets: get"
	)
	least := map[Role][]string{
		Provisioner: {
			"persistentvolumes: get list watch create patch delete",
			"persistentvolumeclaims: get list watch update",
			events,
			"storage.k8s.io/storageclasses: get list watch",
		},
		Attacher: {
			"persistentvolumes: get list watch patch",
			"storage.k8s.io/csinodes: get list watch",
			"storage.k8s.io/volumeattachments: get list watch patch",
			"storage.k8s.io/volumeattachments/status: patch",
			"events: create patch",
		},
		Resizer: {
			"persistentvolumes: get list watch patch",
			"persistentvolumeclaims: get list watch",
			"persistentvolumeclaims/status: patch",
			events,
		},
		Snapshotter: {
			events,
			"snapshot.storage.k8s.io/volumesnapshotclasses: get list watch",
			"snapshot.storage.k8s.io/volumesnapshotcontents: get list watch update patch",
			"snapshot.storage.k8s.io/volumesnapshotcontents/status: update patch",
		},
		HealthMonitor: {
			"persistentvolumes: get list watch", "persistentvolumeclaims: get list watch", "nodes: get list watch",
			"pods: get list watch", "events: get list watch create patch",
		},
	}
	more := map[Role][]string{
		Provisioner: {
			"nodes: get list watch",
			"storage.k8s.io/csinodes: get list watch",
			"storage.k8s.io/volumeattachments: get list watch",
			"snapshot.storage.k8s.io/volumesnapshots: get list watch update",
			"snapshot.storage.k8s.io/volumesnapshotcontents: get list",
			"storage.k8s.io/volumeattributesclasses: get",
			"gateway.networking.k8s.io/referencegrants: get list watch",
			secrets,
			"in its namespace: storage.k8s.io/csistoragecapacities: get list watch create update patch delete",
			"in its namespace: pods: get",
			"in its namespace: apps/replicasets: get",
		},
		Attacher: {secrets},
		Resizer:  {"pods: get list watch", "storage.k8s.io/volumeattributesclasses: get list watch", secrets},
		Snapshotter: {
			"groupsnapshot.storage.k8s.io/volumegroupsnapshotclasses: get list watch",
			"groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents: get list watch update patch",
			"groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents/status: update patch",
			secrets,
		},
	}
	for _, s := range Catalogue() {
		without := Use{Capabilities: Capabilities{}, Args: s.Args(settings(s))}
		if diff := cmp.Diff(least[s.Role], rulesOf(s, without)); diff != "" {
			t.Errorf("%s without anything: -want, +got:\n%s", s.Role, diff)
		}
		if diff := cmp.Diff(slices.Concat(least[s.Role], more[s.Role]), rulesOf(s, everything())); diff != "" {
			t.Errorf("%s with everything: -want, +got:\n%s", s.Role, diff)
		}
	}
}

// TestEachRightHasItsReason: a single reason adds what belongs to it.
func TestEachRightHasItsReason(t *testing.T) {
	cases := map[string]struct {
		sidecar Sidecar
		use     Use
		want    string // part of one of them
		adds    int    // rules
	}{
		"Topology":     {provisioner(), Use{Capabilities: NewCapabilities(AccessibleTopology)}, "csinodes", 2},
		"Publish":      {provisioner(), Use{Capabilities: NewCapabilities(PublishVolume)}, "volumeattachments", 1},
		"Snapshots":    {provisioner(), Use{Capabilities: NewCapabilities(CreateSnapshot)}, "volumesnapshots", 2},
		"Modify":       {provisioner(), Use{Capabilities: NewCapabilities(ModifyVolume)}, "volumeattributesclasses", 1},
		"GateOn":       {provisioner(), Use{Args: []string{"--feature-gates=A=true,CrossNamespaceVolumeDataSource=true"}}, "referencegrants", 1},
		"GateBare":     {provisioner(), Use{Args: []string{"--feature-gates=CrossNamespaceVolumeDataSource"}}, "referencegrants", 1},
		"GateOff":      {provisioner(), Use{Args: []string{"--feature-gates=CrossNamespaceVolumeDataSource=false"}}, "", 0},
		"Secrets":      {provisioner(), Use{Secrets: true}, "secrets", 1},
		"NodeCapacity": {provisioner(), Use{OwnedBy: "DaemonSet", Args: []string{"--enable-capacity=true"}}, "csistoragecapacities", 4},
		"NoCapacity":   {provisioner(), Use{OwnedBy: "Deployment", Args: []string{"--enable-capacity=false"}}, "", 0},
		"InUseGiven":   {resizer(), Use{Args: []string{"--handle-volume-inuse-error=true"}}, "pods", 1},
		"InUseUnasked": {resizer(), Use{}, "pods", 1},
		"InUseOff":     {resizer(), Use{Args: []string{"--handle-volume-inuse-error=false"}}, "", 0},
		"Groups":       {snapshotter(), Use{Capabilities: NewCapabilities(GroupSnapshot)}, "volumegroupsnapshotcontents", 3},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			least := len(rulesOf(tc.sidecar, Use{Args: []string{"--handle-volume-inuse-error=false"}}))
			got := rulesOf(tc.sidecar, tc.use)
			if len(got)-least != tc.adds || !strings.Contains(strings.Join(got, "\n"), tc.want) {
				t.Errorf("%d rules more, want %d with %s:\n%s", len(got)-least, tc.adds, tc.want, strings.Join(got, "\n"))
			}
		})
	}
}

func rulesOf(s Sidecar, u Use) []string {
	var list []string
	add := func(where string, rules []rbacv1.PolicyRule) {
		for _, r := range rules {
			what := strings.TrimPrefix(strings.Join(r.APIGroups, ",")+"/", "/") + strings.Join(r.Resources, ",")
			list = append(list, where+what+": "+strings.Join(r.Verbs, " "))
		}
	}
	add("", s.Rules(u))
	add("in its namespace: ", s.NamespaceRules(u))
	return list
}

// TestRulesAreExact: no wildcard, and nothing that merging would lose.
func TestRulesAreExact(t *testing.T) {
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	for _, s := range Catalogue() {
		for _, r := range slices.Concat(s.Rules(everything()), s.NamespaceRules(everything())) {
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
	for i, s := range Catalogue() {
		s.Placements[0] = "scribble"
		for j := range s.Mounts {
			s.Mounts[j].MountPath = "scribble"
		}
		for _, r := range s.Rules(everything()) {
			r.Verbs[0] = "*"
		}
		for _, v := range s.Env(s.Args(settings(s))) {
			v.ValueFrom.FieldRef.FieldPath = "scribble"
		}
		s.Args(settings(s))[0] = "scribble"
		fresh := Catalogue()[i]
		text := fmt.Sprint(fresh.Placements, fresh.Mounts, fresh.Rules(everything()), fresh.Env(fresh.Args(settings(s))), fresh.Args(settings(s)))
		if strings.Contains(text, "scribble") || strings.Contains(text, "*") {
			t.Errorf("%s: catalogues share values: %s", s.Name, text)
		}
	}
}

// TestCapabilitiesAreThoseOfCSI compares the names with those of the specification.
func TestCapabilitiesAreThoseOfCSI(t *testing.T) {
	want := []string{"Controller/VOLUME_CONDITION", "Node/VOLUME_CONDITION"} // of CSI up to 1.12
	for service, names := range map[string]map[string]int32{
		"Identity/":                  csi.PluginCapability_Service_Type_value,
		"Identity/VOLUME_EXPANSION_": csi.PluginCapability_VolumeExpansion_Type_value,
		"Controller/":                csi.ControllerServiceCapability_RPC_Type_value,
		"GroupController/":           csi.GroupControllerServiceCapability_RPC_Type_value,
		"Node/":                      csi.NodeServiceCapability_RPC_Type_value,
	} {
		for name := range names {
			if name != "UNKNOWN" {
				want = append(want, service+name)
			}
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, KnownCapabilities()); diff != "" {
		t.Errorf("-CSI, +catalogue:\n%s", diff)
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

// TestNoProbe of what serves no health, or serves it nowhere.
func TestNoProbe(t *testing.T) {
	for name, probe := range map[string]*corev1.Probe{
		"Nowhere":       attacher().Liveness([]string{"--leader-election"}),
		"NoHealth":      livenessProbe().Liveness([]string{"--http-endpoint=:9808"}),
		"NoHealthAtAll": livenessProbe().Liveness(nil),
	} {
		if probe != nil {
			t.Errorf("%s: %v", name, probe)
		}
	}
}

// TestEnvironmentIsReferredTo by its syntax, not by its name.
func TestEnvironmentIsReferredTo(t *testing.T) {
	for arg, want := range map[string]int{"--a=$(POD_NAMESPACE)": 1, "--a=POD_NAMESPACE": 0, "--a=(POD_NAMESPACE)": 0, "--a=$(POD_NAMESPACE": 0} {
		if got := attacher().Env([]string{arg}); len(got) != want {
			t.Errorf("%s: %v", arg, got)
		}
	}
}

// TestCapabilitiesThatDecide are known ones.
func TestCapabilitiesThatDecide(t *testing.T) {
	for _, c := range []string{
		ControllerService, GroupControllerService, AccessibleTopology, CreateVolume, PublishVolume, ListVolumes, GetVolume, GetCapacity,
		CreateSnapshot, ControllerExpand, ModifyVolume, VolumeCondition, GetVolumeHealth, NodeExpand, GroupSnapshot,
	} {
		if !slices.Contains(KnownCapabilities(), c) {
			t.Errorf("%q is not known", c)
		}
	}
}

// TestImplied chooses the same sidecars again.
func TestImplied(t *testing.T) {
	var containers []string
	for _, s := range Catalogue() {
		containers = append(containers, s.Name)
	}
	c := NewCapabilities(Implied(containers)...)
	for _, s := range Catalogue() {
		if !s.Needed(c) {
			t.Errorf("%s runs and would not be chosen again", s.Name)
		}
		if newest := s.At(""); !newest.Needed(c) {
			t.Errorf("the newest %s runs and would not be chosen again", s.Name)
		}
		if !s.Everywhere && s.Needed(NewCapabilities(Implied(nil)...)) {
			t.Errorf("%s does not run and would be chosen", s.Name)
		}
	}
}
