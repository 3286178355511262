// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/inspect"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// asked is a driver that is asked for its capabilities, with more in its spec.
func asked(t *testing.T, more string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	return parse(t, "metadata: {name: x.example.com}\nspec:\n  source: Custom\n  namespace: csi-x\n"+
		"  driver: {image: 'registry.example.com/x:v1'}\n"+more)
}

// answered renders a driver of which something is known.
func answered(t *testing.T, d *v1alpha1.CSIDriverDeployment, a *Answer) Set {
	t.Helper()
	f := facts()
	f.Answer = a
	set, err := Render(d, f)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func containersOf(set Set, component string) (names []string) {
	for _, r := range set.Rows {
		if r.Component == component {
			names = append(names, r.Name)
		}
	}
	return names
}

func kindsIn(set Set) (kinds []string) {
	for _, o := range set.Objects {
		kinds = append(kinds, o.Intent.GetKind())
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// TestBeforeTheFirstAnswer there is what asks, and nothing that could not be undone.
func TestBeforeTheFirstAnswer(t *testing.T) {
	d := asked(t, "  storageClasses: [{name: c}]\n  sidecars: {snapshotter: {enabled: true}, attacher: {remove: ['args[--timeout]']}}")
	for name, a := range map[string]*Answer{"Nothing": nil, "AnotherContainer": {Key: "old", Capabilities: []string{sidecar.CreateVolume}}} {
		t.Run(name, func(t *testing.T) {
			set := answered(t, d, a)
			want := []string{"ConfigMap", "Deployment", "PodDisruptionBudget", "Role", "RoleBinding", "ServiceAccount"}
			if diff := cmp.Diff(want, kindsIn(set)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"driver", "livenessprobe", "csi-inspector"}, containersOf(set, "controller")); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if !set.Discovery.Asked || set.Discovery.Capabilities != nil {
				t.Errorf("discovery is %+v", set.Discovery)
			}
			components := []Component{
				{Name: "controller", Kind: "Deployment", KubeletRoot: "/var/lib/kubelet"},
				{Name: "node", Kind: "DaemonSet", Registers: true, KubeletRoot: "/var/lib/kubelet"},
			}
			if diff := cmp.Diff(components, set.Components); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestAnswers follows capabilities that come and go.
func TestAnswers(t *testing.T) {
	d := asked(t, "")
	key := answered(t, d, nil).Discovery.Key
	volumes, snapshots := []string{sidecar.CreateVolume}, []string{sidecar.CreateVolume, sidecar.CreateSnapshot}
	cases := map[string]struct {
		answer Answer
		want   []string
	}{
		"First":            {Answer{Key: key, Capabilities: volumes}, volumes},
		"NoneAtAll":        {Answer{Key: key, Capabilities: []string{}}, []string{}},
		"OldAnswerHolds":   {Answer{Key: "old", Capabilities: snapshots, Last: volumes}, volumes},
		"NoAnswerYet":      {Answer{Key: "", Last: volumes}, volumes},
		"UnusableAnswer":   {Answer{Key: key, Last: volumes}, volumes},
		"NewestAnswerMore": {Answer{Key: key, Capabilities: snapshots, Last: volumes}, snapshots},
		"NewestAnswerLess": {Answer{Key: key, Capabilities: volumes, Last: snapshots}, volumes},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set := answered(t, d, &tc.answer)
			if diff := cmp.Diff(tc.want, set.Discovery.Capabilities); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			runs := slices.Contains(containersOf(set, "controller"), "csi-snapshotter")
			if wanted := slices.Contains(tc.want, sidecar.CreateSnapshot); runs != wanted {
				t.Errorf("the snapshotter runs: %t, want %t", runs, wanted)
			}
			if kinds := kindsIn(set); !slices.Contains(kinds, "CSIDriver") || !slices.Contains(kinds, "DaemonSet") {
				t.Errorf("the driver is not installed: %v", kinds)
			}
		})
	}
}

// TestAttachmentFollowsTheAnswer: what cannot be changed later is right from the first.
func TestAttachmentFollowsTheAnswer(t *testing.T) {
	d := asked(t, "")
	key := answered(t, d, nil).Discovery.Key
	for capability, want := range map[string]bool{sidecar.PublishVolume: true, sidecar.CreateVolume: false} {
		set := answered(t, d, &Answer{Key: key, Capabilities: []string{capability}})
		for _, o := range set.Objects {
			if o.Intent.GetKind() != "CSIDriver" {
				continue
			}
			if got := o.Intent.Object["spec"].(map[string]any)["attachRequired"]; got != want {
				t.Errorf("%s: attachRequired is %v, want %v", capability, got, want)
			}
		}
	}
}

// TestDriverKey moves with what may change the driver's container, and with nothing else.
func TestDriverKey(t *testing.T) {
	base := answered(t, asked(t, ""), nil).Discovery.Key
	cases := map[string]struct {
		more  string
		moves bool
	}{
		"Args":      {"  controller: {driver: {args: [-x]}}", true},
		"Container": {"  controller: {driver: {container: {workingDir: /x}}}", true},
		"Socket":    {"  controller: {socket: {file: x.sock}}", true},
		"Registry":  {"  images: {registry: 'x.example.com'}", true},
		"Pod":       {"  controller: {pod: {containers: [{name: driver, workingDir: /x}]}}", true},
		"SharedPod": {"  pod: {containers: [{name: driver, workingDir: /x}]}", true},
		"PodOfNode": {"  nodes: [{name: a, pod: {hostNetwork: true}}]", false},
		"Replicas":  {"  controller: {replicas: 3}", false},
		"Sidecars":  {"  sidecars: {attacher: {timeout: 3m}}", false},
		"Nodes":     {"  nodes: [{name: a, driver: {args: [-x]}}]", false},
	}
	for name, tc := range cases {
		if key := answered(t, asked(t, tc.more), nil).Discovery.Key; (key != base) != tc.moves {
			t.Errorf("%s: the key moves %t, want %t", name, key != base, tc.moves)
		}
	}
}

// TestLackingIsNoFaultOfTheSpec where the driver is asked.
func TestLackingIsNoFaultOfTheSpec(t *testing.T) {
	d := asked(t, "  sidecars: {healthMonitor: {enabled: true}}")
	key := answered(t, d, nil).Discovery.Key
	set := answered(t, d, &Answer{Key: key, Capabilities: []string{sidecar.CreateVolume}})
	want := []string{"csi-external-health-monitor-controller lacks Controller/VOLUME_CONDITION"}
	if diff := cmp.Diff(want, set.Discovery.Lacking); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestNobodyToAsk(t *testing.T) {
	expectInvalid(t, asked(t, "  controller: {disabled: true}"), "spec.capabilities", "is required where there is no controller pod to ask the driver")
	expectInvalid(t, asked(t, "  sidecars: {provisioner: {placement: Node}}"), "spec.capabilities", "is required with placement Node of provisioner")
}

// TestInspectorIsTheOneOfTheCatalogue: its version is pinned, and is that of the sources.
func TestInspectorIsTheOneOfTheCatalogue(t *testing.T) {
	if sidecar.InspectorVersion != inspect.Version {
		t.Errorf("the catalogue has %s, the inspector is %s", sidecar.InspectorVersion, inspect.Version)
	}
	if sidecar.InspectorAnswer != "answer.json" { // where the inspector writes it
		t.Errorf("the answer is looked for in %q", sidecar.InspectorAnswer)
	}
	if len(answered(t, asked(t, ""), nil).Discovery.Key) > inspect.MaxKey {
		t.Error("the key is longer than the inspector takes")
	}
}

// TestWishesOfADriverThatIsAsked are told, and refused only where they are wrong.
func TestWishesOfADriverThatIsAsked(t *testing.T) {
	d := asked(t, "  storageCapacity: true\n  csiDriver: {attachRequired: true}")
	key := answered(t, d, nil).Discovery.Key
	set := answered(t, d, &Answer{Key: key, Capabilities: []string{sidecar.CreateVolume}})
	if got := set.Discovery.Lacking; len(got) != 2 || got[0] != "storageCapacity needs Controller/GET_CAPACITY" {
		t.Errorf("lacking: %q", got)
	}
	expectNoWish(t, set)

	// The provisioner that would publish it is turned off.
	d = asked(t, "  storageCapacity: true\n  csiDriver: {attachRequired: true}\n  sidecars: {provisioner: {enabled: false}}")
	key = answered(t, d, nil).Discovery.Key
	set = answered(t, d, &Answer{Key: key, Capabilities: []string{sidecar.CreateVolume, sidecar.GetCapacity}})
	if got := set.Discovery.Lacking; len(got) != 2 || !strings.HasPrefix(got[1], "storageCapacity needs a provisioner") {
		t.Errorf("lacking: %q", got)
	}
	expectNoWish(t, set)
	if !*d.Spec.CSIDriver.AttachRequired {
		t.Error("the spec was changed")
	}
}

// expectNoWish wants a CSIDriver without what nobody would do.
func expectNoWish(t *testing.T, set Set) {
	t.Helper()
	at := slices.IndexFunc(set.Objects, func(o Object) bool { return o.Intent.GetKind() == "CSIDriver" })
	if at < 0 {
		t.Fatal("there is no CSIDriver")
	}
	spec, _ := set.Objects[at].Intent.Object["spec"].(map[string]any)
	if spec["storageCapacity"] != false || spec["attachRequired"] != false {
		t.Errorf("the CSIDriver has %v", spec)
	}
}

// TestFaultsBeforeTheAnswer are told at once also where they are of pods that do not exist
// yet.
func TestFaultsBeforeTheAnswer(t *testing.T) {
	expectInvalid(t, asked(t, "  nodes: [{name: a, driver: {container: {wrongField: 1}}}]"), "spec.nodes[0].driver.container.wrongField", "is not a field of a Container")
	expectInvalid(t, asked(t, "  nodes: [{name: a, pod: {wrongField: 1}}]"), "spec.nodes[0].pod.wrongField", "is not a field of a PodSpec")
	expectInvalid(t, asked(t, "  nodes: [{name: a}, {name: b}]"), "spec.nodes[1]", "may select the same nodes")
	// What is removed may be a sidecar's, and is looked for later.
	answered(t, asked(t, "  nodes: [{name: a, pod: {remove: ['containers[node-driver-registrar].resources']}}]"), nil)
}

// TestGroupSnapshots need a gate in the version that runs, where driver and cluster have
// them.
func TestGroupSnapshots(t *testing.T) {
	d := customOf(t, "  capabilities: [Controller/CREATE_DELETE_SNAPSHOT, GroupController/CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT]")
	for served, want := range map[bool]bool{true: true, false: false} {
		f := facts()
		f.Served.GroupSnapshots = served
		set, err := Render(d, f)
		if err != nil {
			t.Fatal(err)
		}
		args := podTemplates(t, set)[0].Spec.Containers[1].Args
		if got := slices.Contains(args, "--feature-gates=CSIVolumeGroupSnapshot=true"); got != want {
			t.Errorf("served %t: the gate is on %t: %q", served, got, args)
		}
	}
}
