// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// customOf is a driver of another source; more is laid over its spec.
func customOf(t *testing.T, more string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	spec := `
  source: Custom
  namespace: csi-x
  capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/PUBLISH_UNPUBLISH_VOLUME]
  driver: {image: "registry.example.com/x:v1"}
`
	if strings.Contains(more, "capabilities:") {
		spec = strings.Replace(spec, "  capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/PUBLISH_UNPUBLISH_VOLUME]\n", "", 1)
	}
	if strings.Contains("\n"+more, "\n  driver:") {
		spec = strings.Replace(spec, "  driver: {image: \"registry.example.com/x:v1\"}\n", "", 1)
	}
	return parse(t, "metadata: {name: x.example.com}\nspec:"+spec+more)
}

// TestInvalidCustom is what the schema lets pass and a driver of another source cannot be.
func TestInvalidCustom(t *testing.T) {
	cases := map[string]struct{ more, field, message string }{
		"NoImage": {"\n  driver: {args: [-x]}", "spec.controller.driver.image", "is required for source Custom"},
		"NoImageOfAPool": {"\n  driver: {}\n  controller: {driver: {image: a/b:v1}}",
			"spec.nodes[0].driver.image", "is required for source Custom"},
		"UnknownCapability": {"  capabilities: [Controller/CREATE_VOLUME]", "spec.capabilities[0]", `"Controller/CREATE_VOLUME" is not known; known are Controller/CLONE_VOLUME, `},
		"ReplicasWithoutElection": {"  controller: {replicas: 2}\n  sidecars: {attacher: {leaderElection: {enabled: false}}}",
			"spec.controller.replicas", "2 pods would all work at once, since csi-attacher elects no leader"},
		"ElectionTurnedOffByFlag": {"  controller: {replicas: 2}\n  sidecars: {attacher: {remove: ['args[--leader-election]']}}",
			"spec.controller.replicas", "csi-attacher elects no leader"},
		"HalfASecret": {"  storageClasses: [{name: a, parameters: {csi.storage.k8s.io/node-stage-secret-name: s}}]",
			"spec.storageClasses[0].parameters", "csi.storage.k8s.io/node-stage-secret-name and csi.storage.k8s.io/node-stage-secret-namespace belong together"},
		"SecretTwice": {"  storageClasses: [{name: a, parameters: {csi.storage.k8s.io/node-stage-secret-name: s}, secrets: {nodeStage: {name: s, namespace: n}}}]",
			"spec.storageClasses[0].parameters[csi.storage.k8s.io/node-stage-secret-name]", "is given twice"},
		"UnknownClassParameter": {"  storageClasses: [{name: a, parameters: {csi.storage.k8s.io/fsType: xfs}}]",
			"spec.storageClasses[0].parameters[csi.storage.k8s.io/fsType]", "is not known to the sidecars"},
		"UnknownSnapshotParameter": {"  volumeSnapshotClasses: [{name: a, parameters: {csi.storage.k8s.io/fstype: xfs}}]",
			"spec.volumeSnapshotClasses[0].parameters[csi.storage.k8s.io/fstype]", "they know csi.storage.k8s.io/snapshotter-secret-name"},
		"UnknownGate": {"  sidecars: {attacher: {featureGates: {Topology: true}}}",
			"spec.sidecars.attacher.featureGates[Topology]", "csi-attacher v4.12.0 does not know it and would end at once; it knows AllAlpha, AllBeta, MutableCSINodeAllocatableCount"},
		"UnknownGateOfAPart": {"  controller: {sidecars: {attacher: {featureGates: {Topology: true}}}}",
			"spec.controller.sidecars.attacher.featureGates[Topology]", "does not know it"},
		"NoGatesAtAll": {"  sidecars: {livenessProbe: {featureGates: {Topology: true}}}",
			"spec.sidecars.livenessProbe.featureGates[Topology]", "it knows no gate"},
		"GateOfALaterVersion": {"  sidecars: {attacher: {version: v4.8.0, featureGates: {MutableCSINodeAllocatableCount: true}}}",
			"spec.sidecars.attacher.featureGates[MutableCSINodeAllocatableCount]", "csi-attacher v4.8.0 does not know it"},
		"UnknownFlag": {"  sidecars: {attacher: {extraArgs: [--v=2, --enable-capacity]}}",
			"spec.sidecars.attacher.extraArgs[1]", "csi-attacher v4.12.0 does not know --enable-capacity and would end at once; it knows automaxprocs, csi-address"},
		"FlagOfAnOlderVersion": {"  capabilities: [Controller/CREATE_DELETE_SNAPSHOT]\n  sidecars: {snapshotter: {extraArgs: [--enable-volume-group-snapshots]}}",
			"spec.sidecars.snapshotter.extraArgs[0]", "does not know --enable-volume-group-snapshots"},
		"LeasesElsewhere": {"  sidecars: {attacher: {extraArgs: [--leader-election-namespace=kube-system]}}",
			"spec.sidecars.attacher.extraArgs[0]", `Leases in the namespace of the pods only, which is "csi-x"`},
		"FlagThatIsNotThere": {"  controller: {sidecars: {attacher: {remove: ['args[--reconcile-sync]']}}}",
			"spec.controller.sidecars.attacher.remove[0]", `"args[--reconcile-sync]" is not there`},
		"FlagThatIsNowhere": {"  sidecars: {defaults: {remove: ['args[--reconcile-sync]']}}",
			"spec.sidecars.defaults.remove[0]", "names what is in no container"},
		"AllArgsRemoved":     {"  sidecars: {attacher: {remove: [args]}}", "spec.sidecars.attacher.remove[0]", "takes the whole command line away"},
		"RemovedFromNothing": {"  driver: {image: a/b:v1, remove: ['env[X]']}", "spec.driver.remove[0]", "names what is in no container"},
		"NullInAContainer":   {"  driver: {image: a/b:v1, container: {lifecycle: null}}", "spec.driver.container.lifecycle", "null is refused; leave the field out, or name it in remove"},
		"UnknownFieldOfAContainer": {"  sidecars: {attacher: {container: {securityContext: {runAsUsr: 1}}}}",
			"spec.sidecars.attacher.container.securityContext.runAsUsr", "is not a field of a Container"},
		"SidecarWithoutCapability": {"  sidecars: {snapshotter: {enabled: true}}",
			"spec.sidecars.snapshotter.enabled", "csi-snapshotter would end at once: the driver lacks Controller/CREATE_DELETE_SNAPSHOT"},
		"MonitorWithoutCondition": {"  controller: {sidecars: {healthMonitor: {enabled: true}}}",
			"spec.controller.sidecars.healthMonitor.enabled", "lacks Controller/VOLUME_CONDITION"},
		"AttacherOnNodes":     {"  sidecars: {attacher: {placement: Node}}", "spec.sidecars.attacher.placement", "csi-attacher cannot run beside the node service"},
		"PlacementInAPart":    {"  controller: {sidecars: {provisioner: {placement: Node}}}", "spec.controller.sidecars.provisioner.placement", "is set in spec.sidecars"},
		"CapacityWithout":     {"  storageCapacity: true", "spec.storageCapacity", "needs Controller/GET_CAPACITY"},
		"NothingToRun":        {"  controller: {disabled: true}\n  nodes: []", "spec.nodes", "there is nothing to run"},
		"OneNameForTwo":       {"  controller: {workloadName: a}\n  nodes: [{name: a, workloadName: a}]", "spec.nodes[0].workloadName", "spec.controller has that name already"},
		"OneAccountForTwo":    {"  controller: {serviceAccountName: a}\n  nodes: [{name: a, serviceAccountName: a}]", "spec.nodes[0].serviceAccountName", "spec.controller has that name already"},
		"OurLabelInASelector": {"  controller: {selectorLabels: {csi-operator.io/component: x}}", "spec.controller.selectorLabels[csi-operator.io/component]", "are the operator's"},
		"RecreateStatefulSet": {"  controller: {kind: StatefulSet, strategy: {type: Recreate}}", "spec.controller.strategy.type", "Recreate is of Deployments"},
		"SurgeOfStatefulSet":  {"  controller: {kind: StatefulSet, strategy: {maxSurge: 1}}", "spec.controller.strategy.maxSurge", "is of Deployments"},
		"OnDeleteDeployment":  {"  controller: {strategy: {type: OnDelete}}", "spec.controller.strategy.type", "OnDelete is of StatefulSets"},
		"NegativeShare":       {"  controller: {strategy: {maxUnavailable: -1}}", "spec.controller.strategy.maxUnavailable", "-1 is too small"},
		"NoNodeAtOnce":        {"  nodes: [{name: a, rollout: {maxUnavailable: 0}}]", "spec.nodes[0].rollout.maxUnavailable", "0 is too small; use 1 or more"},
		"SocketOutside":       {"  nodes: [{name: a, socket: {dir: ../x}}]", "spec.nodes[0].socket.dir", "must be an absolute path"},
		"SocketSpace":         {"  nodes: [{name: a, socket: {mountPath: '/a b'}}]", "spec.nodes[0].socket.mountPath", "must be an absolute path"},
		"LinuxPathOfWindows":  {"  nodes: [{name: a, os: windows, kubeletRootDir: /var/lib/kubelet}]", "spec.nodes[0].kubeletRootDir", "must be an absolute path of Windows"},
		"NoProbeToChange": {"  nodes: [{name: a, driver: {container: {livenessProbe: {periodSeconds: 3}}}}]\n  sidecars: {livenessProbe: {enabled: false}}",
			"spec.nodes[0].pod.containers[driver].livenessProbe", "asks nothing"},
		"BadImage":            {"  sidecars: {attacher: {image: 'Not:An:Image'}}", "spec.sidecars.attacher.image", "is no name of an image"},
		"ImageOfSpace":        {"  driver: {image: 'a/b:v1 '}", "spec.controller.pod.containers[driver].image", "has a space at an end"},
		"PoolsOverlap":        {"  nodes: [{name: a, pod: {nodeSelector: {disk: fast}}}, {name: b}]", "spec.nodes[1]", "may select the same nodes as spec.nodes[0]"},
		"Directive":           {"  pod: {labels: {$patch: replace}}", "spec.pod.labels.$patch", "no directives of patches"},
		"ItemWithoutName":     {"  pod: {containers: [{image: x}]}", "spec.pod.containers[0]", "has no name"},
		"MountWithoutPath":    {"  sidecars: {attacher: {container: {volumeMounts: [{name: socket}]}}}", "spec.sidecars.attacher.container.volumeMounts[0]", "has no mountPath"},
		"RenamedDriver":       {"  driver: {image: a/b:v1, container: {name: plugin}}", "spec.driver.container.name", "finds the container by its own name"},
		"RemovedDriver":       {"  controller: {pod: {remove: ['containers[driver]']}}", "spec.controller.pod.remove", "it is the driver"},
		"TwoOfOneName":        {"  pod: {initContainers: [{name: driver, image: x}]}", "spec.controller.pod.containers[driver]", "two containers of that name"},
		"OtherOwner":          {"  pod: {labels: {csi-operator.io/deployment: other}}", "spec.controller.pod.labels[csi-operator.io/deployment]", "is the operator's own"},
		"AgainstTheSelector":  {"  controller: {selectorLabels: {app: a}, pod: {labels: {app: b}}}", "spec.controller.pod.labels[app]", `must be "a" as in selectorLabels`},
		"TwoVolumesOfOneName": {"  nodes: [{name: a, kubeletMounts: [{path: a/b}, {path: a-b}]}]", "spec.nodes[0].pod.volumes[a-b]", "two volumes of that name"},
		"TwoMountsOfOnePath":  {"  nodes: [{name: a, socket: {mountPath: /registration}}]", "spec.nodes[0].pod.containers[node-driver-registrar].volumeMounts[/registration]", "two volumes are mounted there"},
		"OnePortForTwo":       {"  controller: {sidecars: {attacher: {extraArgs: ['--http-endpoint=:9809']}}}", "spec.controller.sidecars.attacher.extraArgs", "csi-provisioner listens at port 9809 already"},
		"ArgsInAPod":          {"  pod: {containers: [{name: csi-attacher, args: [--v=9]}]}", "spec.controller.pod.containers[csi-attacher].args", "use extraArgs and remove"},
		"NoPodForIt":          {"  controller: {disabled: true}\n  sidecars: {provisioner: {enabled: true}}", "spec.sidecars.provisioner.enabled", "there is no pod for it"},
		"NotBesideNodes":      {"  nodes: [{name: a, sidecars: {attacher: {enabled: true}}}]", "spec.nodes[0].sidecars.attacher.enabled", "csi-attacher runs beside the controller service"},
		"NobodyAttaches":      {"  capabilities: [Controller/CREATE_DELETE_VOLUME]\n  csiDriver: {attachRequired: true}", "spec.csiDriver.attachRequired", "needs an attacher"},
		"NobodyPublishes":     {"  capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/GET_CAPACITY]\n  storageCapacity: true\n  sidecars: {provisioner: {enabled: false}}", "spec.storageCapacity", "needs a provisioner"},
		"OnePortOfTheNodes": {"  pod: {hostNetwork: true}\n  sidecars: {livenessProbe: {extraArgs: ['--http-endpoint=localhost:29652']}}",
			"spec.nodes[0]", "livenessprobe would take port 29652 of the nodes, which livenessprobe of controller has"},
		"SurgeOfASinglePod": {"  layout: SinglePod\n  controller: {strategy: {maxSurge: 1}}", "spec.controller.strategy.maxSurge", "is impossible with layout SinglePod"},
		"SurgeAtASocket":    {"  controller: {socket: {dir: /run/x}, strategy: {maxSurge: 1}}", "spec.controller.strategy.maxSurge", "and with socket.dir"},
		"SocketOfTheNodes": {"  controller: {socket: {dir: plugins/x.example.com}}", "spec.controller.socket.dir",
			"/var/lib/kubelet/plugins/x.example.com/csi.sock is the socket of the node pods of spec.nodes[0] as well"},
		"LongSocketDirOfController": {"  controller: {socket: {dir: /" + strings.Repeat("d", 98) + "}}", "spec.controller.socket.dir", "has 108 bytes"},
		"NoPodReplaced":             {"  controller: {strategy: {maxUnavailable: 0}}", "spec.controller.strategy.maxUnavailable", "0 lets no pod be replaced"},
		"RuleOfNothing":             {"  rbac: {node: [{verbs: [get]}]}", "spec.rbac.node[0]", "grants nothing"},
		"NoTime":                    {"  sidecars: {attacher: {timeout: 0s}}", "spec.sidecars.attacher.timeout", "give more than 0s"},
		"ShortLease":                {"  sidecars: {attacher: {leaderElection: {leaseDuration: 5s}}}", "spec.sidecars.attacher.leaderElection", "leaseDuration 5s, renewDeadline 10s and retryPeriod 5s must each be longer"},
		"ShortRenewal":              {"  sidecars: {attacher: {leaderElection: {retryPeriod: 9s}}}", "spec.sidecars.attacher.leaderElection", "the last by a fifth"},
		"SidecarsSocket":            {"  sidecars: {attacher: {socketMountPath: 'a:b'}}", "spec.sidecars.attacher.socketMountPath", "must be an absolute path"},
		"SocketInTheRoot":           {"  nodes: [{name: a, socket: {dir: .}}]", "spec.nodes[0].socket.dir", "must be an absolute path"},
		"GateInAFlag": {"  sidecars: {attacher: {extraArgs: ['--feature-gates=AllAlpha=true,Nonsense=true']}}",
			"spec.sidecars.attacher.extraArgs[0]", "does not know the gate Nonsense and would end at once; it knows AllAlpha"},
		"UnknownFlagInArgs": {"  sidecars: {attacher: {container: {args: [--v=2, --nonsense]}}}",
			"spec.sidecars.attacher.container.args[1]", "does not know --nonsense and would end at once"},
		"ShortLeaseByFlag": {"  controller: {sidecars: {attacher: {extraArgs: [--leader-election-lease-duration=5s]}}}",
			"spec.controller.sidecars.attacher.leaderElection", "leaseDuration 5s, renewDeadline 10s"},
		"DeadlineByFlag":   {"  sidecars: {attacher: {extraArgs: [--leader-election-renew-deadline=16s]}}", "spec.sidecars.attacher.leaderElection", "renewDeadline 16s"},
		"RetryByFlag":      {"  sidecars: {attacher: {extraArgs: [--leader-election-retry-period=0s]}}", "spec.sidecars.attacher.leaderElection", "retryPeriod 0s"},
		"NoDurationByFlag": {"  sidecars: {attacher: {extraArgs: [--leader-election-retry-period=5]}}", "spec.sidecars.attacher.extraArgs", `"5" is no duration`},
		"ElectionPerNode": {"  sidecars: {provisioner: {placement: Node, extraArgs: [--leader-election]}}",
			"spec.sidecars.provisioner.extraArgs", "elects no leader in the pods of nodes"},
		"ElectionWantedPerNode": {"  sidecars: {provisioner: {placement: Node, leaderElection: {enabled: true}}}",
			"spec.sidecars.provisioner.leaderElection.enabled", "elects no leader in the pods of nodes"},
		"ImageInAFragment":      {"  sidecars: {attacher: {container: {image: a/b:v1}}}", "spec.sidecars.attacher.container.image", "use spec.sidecars.attacher.image"},
		"ImageOfAllInAFragment": {"  sidecars: {defaults: {container: {image: a/b:v1}}}", "spec.sidecars.defaults.container.image", "use image of each"},
		"ImageInAPod": {"  pod: {containers: [{name: csi-attacher, image: a/b:v1}]}",
			"spec.controller.pod.containers[csi-attacher].image", "use spec.controller.sidecars.attacher.image"},
		"PortOfTheDriver": {"  controller: {driver: {ports: [{containerPort: 9809}]}}",
			"spec.controller.sidecars.provisioner.extraArgs", "driver listens at port 9809 already"},
		"HealthPortOfAnother": {"  controller: {pod: {containers: [{name: x, image: a/b:v1, ports: [{containerPort: 9808}]}]}}",
			"spec.controller.sidecars.livenessProbe.extraArgs", "x listens at port 9808 already"},
		"RightsOfNoNode":         {"  nodes: []\n  rbac: {node: [{apiGroups: [''], resources: [pods], verbs: [get]}]}", "spec.rbac.node", "there is no pod of the node service"},
		"RightsOfNoNodeHere":     {"  nodes: []\n  rbac: {nodeNamespace: [{apiGroups: [''], resources: [pods], verbs: [get]}]}", "spec.rbac.nodeNamespace", "there is no pod of the node service"},
		"RightsOfNoController":   {"  controller: {disabled: true}\n  rbac: {controller: [{apiGroups: [''], resources: [pods], verbs: [get]}]}", "spec.rbac.controller", "there is no pod of the controller service"},
		"RightsOfNoControllerNS": {"  controller: {disabled: true}\n  rbac: {controllerNamespace: [{apiGroups: [''], resources: [pods], verbs: [get]}]}", "spec.rbac.controllerNamespace", "there is no pod"},
		"ModifySecretOfAnOldVersion": {"  storageClasses: [{name: a}, {name: b, secrets: {controllerModify: {name: s, namespace: n}}}]\n  sidecars: {provisioner: {version: v6.1.1}}",
			"spec.storageClasses[1].secrets.controllerModify", "csi-provisioner v6.1.1 does not know it and would refuse every claim; choose v6.2.0 or newer"},
		"ModifySecretByParameter": {"  storageClasses: [{name: b, parameters: {csi.storage.k8s.io/controller-modify-secret-name: s, csi.storage.k8s.io/controller-modify-secret-namespace: n}}]\n  sidecars: {provisioner: {version: v5.1.0}}",
			"spec.storageClasses[0].secrets.controllerModify", "csi-provisioner v5.1.0 does not know it"},
		"LongSocket": {"  controller: {socket: {mountPath: /" + strings.Repeat("m", 98) + "}}",
			"spec.controller.socket", "has 108 bytes, and a path of one at most 107"},
		"LongSocketDir": {"  nodes: [{name: a, socket: {dir: /" + strings.Repeat("d", 98) + "}}]",
			"spec.nodes[0].socket.dir", "has 108 bytes"},
		"LongKubeletRootDir": {"  nodes: [{name: a, kubeletRootDir: /" + strings.Repeat("k", 67) + ", socket: {dir: /d}}]",
			"spec.nodes[0].kubeletRootDir", "/plugins_registry/x.example.com-reg.sock has 108 bytes"},
		"BundledFields": {"  bundled: {mode: Shared, path: /srv/pool}", "spec.bundled", "leave it out for source Custom"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			expectInvalid(t, customOf(t, tc.more), tc.field, tc.message)
		})
	}
}

// TestOverlap asks of pools whether one node may fit both.
func TestOverlap(t *testing.T) {
	affinity := func(operator, values string) string {
		return "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: " +
			operator + values + "}]}]}}}"
	}
	cases := map[string]struct {
		a, b     string
		overlaps bool
	}{
		"DifferentValues":    {"nodeSelector: {disk: fast}", "nodeSelector: {disk: slow}", false},
		"SameValue":          {"nodeSelector: {disk: fast}", "nodeSelector: {disk: fast}", true},
		"DifferentKeys":      {"nodeSelector: {disk: fast}", "nodeSelector: {zone: a}", true},
		"InApart":            {affinity("In", ", values: [a, b]"), affinity("In", ", values: [c]"), false},
		"InTogether":         {affinity("In", ", values: [a, b]"), affinity("In", ", values: [b, c]"), true},
		"InAndNotIn":         {affinity("In", ", values: [a]"), affinity("NotIn", ", values: [a, b]"), false},
		"InAndFewerNotIn":    {affinity("In", ", values: [a, c]"), affinity("NotIn", ", values: [a, b]"), true},
		"ExistsAndNot":       {affinity("Exists", ""), affinity("DoesNotExist", ""), false},
		"InAndNotThere":      {affinity("In", ", values: [a]"), affinity("DoesNotExist", ""), false},
		"NotInAndNotThere":   {affinity("NotIn", ", values: [a]"), affinity("DoesNotExist", ""), true},
		"SelectorAndAffinty": {"nodeSelector: {disk: fast}", affinity("NotIn", ", values: [fast]"), false},
	}
	for name, tc := range cases {
		for order, pair := range map[string][2]string{"AB": {tc.a, tc.b}, "BA": {tc.b, tc.a}} {
			t.Run(name+"/"+order, func(t *testing.T) {
				d := customOf(t, "  nodes: [{name: a, pod: {"+pair[0]+"}}, {name: b, pod: {"+pair[1]+"}}]")
				if _, err := Render(d, facts()); (err != nil) != tc.overlaps {
					t.Errorf("got %v, want overlap %v", err, tc.overlaps)
				}
			})
		}
	}
}

// TestValidCustom is what is close to something that is refused, and what comes of it.
func TestValidCustom(t *testing.T) {
	driver := func(t *testing.T, pods []corev1.PodTemplateSpec, component string) (corev1.PodSpec, corev1.Container) {
		t.Helper()
		for _, p := range pods {
			if p.Labels[v1alpha1.LabelComponent] == component {
				return p.Spec, p.Spec.Containers[0]
			}
		}
		t.Fatalf("no pod of %s", component)
		return corev1.PodSpec{}, corev1.Container{}
	}
	names := func(spec corev1.PodSpec) (list []string) {
		for _, c := range spec.Containers {
			list = append(list, c.Name)
		}
		return list
	}
	cases := map[string]struct {
		more  string
		check func(t *testing.T, spec corev1.PodSpec, c corev1.Container) any
		want  any
	}{
		"HostNetworkTakenBack": {"  pod: {hostNetwork: true}\n  controller: {pod: {remove: [hostNetwork]}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return c.LivenessProbe.HTTPGet.Host }, ""},
		"HostNetwork": {"  pod: {hostNetwork: true}",
			func(_ *testing.T, spec corev1.PodSpec, c corev1.Container) any {
				return []any{c.LivenessProbe.HTTPGet.Host, len(c.Ports), len(spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)}
			}, []any{"127.0.0.1", 0, 1}},
		"HealthPortRenamed": {"  driver: {image: a/b:v1, ports: [{containerPort: 9808, name: health}]}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any {
				return []any{c.Ports[0].Name, c.LivenessProbe.HTTPGet.Port.String()}
			}, []any{"health", "9808"}},
		"OnePortOfTwoProtocols": {"  driver: {image: a/b:v1, ports: [{containerPort: 53}, {containerPort: 53, protocol: UDP}]}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return len(c.Ports) }, 3},
		"PrivilegedByWish": {"  driver: {image: a/b:v1, container: {securityContext: {privileged: true}}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any {
				return c.SecurityContext.AllowPrivilegeEscalation == nil
			}, true},
		"ProbeThatTheDriverHasItself": {"  sidecars: {livenessProbe: {enabled: false}}\n  driver: {image: a/b:v1, container: {livenessProbe: {exec: {command: [a]}}}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return c.LivenessProbe.HTTPGet == nil }, true},
		"ProbeOfThePod'sOwnLoopback": {"  sidecars: {livenessProbe: {extraArgs: ['--http-endpoint=localhost:9808']}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any {
				return c.LivenessProbe == nil && len(c.Ports) == 0
			}, true},
		"UnknownVersionTakesAnything": {"  sidecars: {attacher: {version: v99.0.0, extraArgs: [--new-flag], featureGates: {New: true}}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any {
				return slices.Contains(spec.Containers[2].Args, "--new-flag")
			}, true},
		"VersionOfATag": {"  sidecars: {attacher: {image: 'mirror.example.com/a:v4.8.0-vendor.3', extraArgs: [--max-entries=3]}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return spec.Containers[2].Image }, "mirror.example.com/a:v4.8.0-vendor.3"},
		"EnvironmentOfFlags": {"  capabilities: [Controller/CREATE_DELETE_VOLUME]\n  controller: {sidecars: {provisioner: {extraArgs: [--enable-capacity]}}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return len(spec.Containers[1].Env) }, 3},
		"DriverThatAttachesItself": {"  csiDriver: {attachRequired: true}\n  sidecars: {attacher: {enabled: false}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return names(spec) }, []string{"driver", "csi-provisioner", "livenessprobe"}},
		"SinglePodsApart": {"  layout: SinglePod",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any {
				return len(spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
			}, 1},
		"SocketsApart": {"  controller: {socket: {dir: plugins/x.example.com, file: other.sock}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any {
				return len(spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
			}, 1},
		"LongAndReservedVolumeNames": {"  controller: {kubeletMounts: [{path: socket}, {path: " + strings.Repeat("a", 100) + "}]}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any {
				return []string{spec.Volumes[1].Name, spec.Volumes[2].Name}
			}, []string{"kubelet-" + digest("socket")[:5], "kubelet-" + digest(strings.Repeat("a", 100))[:5]}},
		"ValueApart": {"  sidecars: {attacher: {container: {args: [--csi-address, /csi/csi.sock, --v=2]}}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return spec.Containers[2].Args }, []string{"--csi-address", "/csi/csi.sock", "--v=2"}},
		"MetricsInTheirPlace": {"  sidecars: {attacher: {extraArgs: ['--metrics-address=:7777']}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any {
				c := spec.Containers[2]
				return []any{slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "--http-endpoint") }), c.LivenessProbe == nil, len(c.Ports)}
			}, []any{false, true, 0}},
		"HealthPortInItsPlace": {"  sidecars: {livenessProbe: {extraArgs: ['--health-port=29603']}}",
			func(_ *testing.T, spec corev1.PodSpec, c corev1.Container) any {
				probe := spec.Containers[len(spec.Containers)-1]
				return []any{c.LivenessProbe.HTTPGet.Port.IntVal, slices.ContainsFunc(probe.Args, func(a string) bool { return strings.HasPrefix(a, "--http-endpoint") })}
			}, []any{int32(29603), false}},
		"ModifySecret": {"  storageClasses: [{name: b, secrets: {controllerModify: {name: s, namespace: n}}}]",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return spec.Containers[1].Image }, "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0"},
		"SocketsAsLongAsTheyMayBe": {"  controller: {socket: {mountPath: /" + strings.Repeat("m", 97) + "}}\n  nodes: [{name: a, kubeletRootDir: /" +
			strings.Repeat("k", 66) + ", socket: {dir: /" + strings.Repeat("d", 97) + "}}]",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return len(c.VolumeMounts[0].MountPath) }, 98},
		"UDPPortOfTheDriver": {"  controller: {driver: {ports: [{containerPort: 9809, protocol: UDP}]}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return len(c.Ports) }, 2},
		"PatientProbe": {"  sidecars: {livenessProbe: {timeout: 29500ms}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return c.LivenessProbe.TimeoutSeconds }, int32(31)},
		"ImpatientProbe": {"  sidecars: {livenessProbe: {timeout: 1s}}",
			func(_ *testing.T, _ corev1.PodSpec, c corev1.Container) any { return c.LivenessProbe.TimeoutSeconds }, int32(3)},
		"SidecarsByCapability": {"  capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/CREATE_DELETE_SNAPSHOT, Node/EXPAND_VOLUME]",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return names(spec) },
			[]string{"driver", "csi-provisioner", "csi-resizer", "csi-snapshotter", "livenessprobe"}},
		"SidecarsByWish": {"  sidecars: {attacher: {enabled: false}, provisioner: {enabled: true}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return names(spec) },
			[]string{"driver", "csi-provisioner", "livenessprobe"}},
		"ThePartKnowsBetter": {"  sidecars: {attacher: {enabled: false}}\n  controller: {sidecars: {attacher: {enabled: true}}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return names(spec) },
			[]string{"driver", "csi-provisioner", "csi-attacher", "livenessprobe"}},
		"ThePartDenies": {"  csiDriver: {attachRequired: true}\n  sidecars: {provisioner: {enabled: true}}\n  controller: {sidecars: {provisioner: {enabled: false}, attacher: {enabled: false}}}",
			func(_ *testing.T, spec corev1.PodSpec, _ corev1.Container) any { return names(spec) },
			[]string{"driver", "livenessprobe"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec, c := driver(t, podTemplates(t, mustRender(t, customOf(t, tc.more))), v1alpha1.ComponentController)
			if diff := cmp.Diff(tc.want, tc.check(t, spec, c)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestReplicas: one pod where several would all work, two elsewhere.
func TestReplicas(t *testing.T) {
	for more, want := range map[string]int32{
		"":                            2,
		"  controller: {replicas: 1}": 1,
		"  layout: SinglePod":         1,
		"  layout: SinglePod\n  controller: {replicas: 2}":                 2,
		"  sidecars: {attacher: {leaderElection: {enabled: false}}}":       1,
		"  sidecars: {attacher: {remove: ['args[--leader-election]']}}":    1,
		"  sidecars: {attacher: {extraArgs: ['--leader-election=false']}}": 1,
	} {
		in, err := read(customOf(t, more), facts())
		if err != nil {
			t.Fatalf("%s: %v", more, err)
		}
		if got := in.parts[0].replicas; got != want {
			t.Errorf("%q: %d replicas, want %d", more, got, want)
		}
	}
}

// TestAttributesClassesOfOldSidecars: on Kubernetes 1.34 the sidecars know the kind of a
// version that is not served any more.
func TestAttributesClassesOfOldSidecars(t *testing.T) {
	const spec = `  capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/EXPAND_VOLUME, Controller/MODIFY_VOLUME]
  volumeAttributesClasses: [{name: a, parameters: {x: y}}]
`
	const newer = "  sidecars: {provisioner: {version: v6.0.0}, resizer: {version: %s}}"
	cases := map[string]struct {
		minor int
		more  string
		want  string // part of it
	}{
		"Old":        {34, "", "VolumeAttributesClass a: csi-provisioner v5.1.0 does not know storage.k8s.io/v1 of it; choose v6.0.0 or newer in spec.sidecars.provisioner.version"},
		"OldResizer": {34, fmt.Sprintf(newer, "v1.14.0"), "VolumeAttributesClass a: csi-resizer v1.14.0 does not know storage.k8s.io/v1 of it; choose v2.0.0 or newer"},
		"Chosen":     {34, fmt.Sprintf(newer, "v2.0.0"), ""},
		"New":        {35, "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Kubernetes = tc.minor
			set, err := Render(customOf(t, spec+tc.more), f)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(set.Unserved, "; "); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestUnserved: what the cluster cannot have is left out and told, and so is the sidecar
// that would only complain.
func TestUnserved(t *testing.T) {
	d := customOf(t, `  capabilities: [Controller/CREATE_DELETE_SNAPSHOT]
  volumeSnapshotClasses: [{name: s}]
  volumeGroupSnapshotClasses: [{name: g}]
  volumeAttributesClasses: [{name: a, parameters: {x: y}}]`)
	bare := facts()
	bare.Served = Served{}
	set, err := Render(d, bare)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"VolumeSnapshotClass s: the cluster lacks its CustomResourceDefinition",
		"VolumeGroupSnapshotClass g: the cluster lacks its CustomResourceDefinition",
		"VolumeAttributesClass a: the API server does not serve storage.k8s.io/v1 of it",
	}
	if diff := cmp.Diff(want, set.Unserved); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	for _, o := range set.Objects {
		if IsClass(o.Intent.GetKind()) {
			t.Errorf("%s is rendered", o.Intent.GetKind())
		}
	}
	if want := "csi-snapshotter is left out, since the cluster does not serve snapshot.storage.k8s.io/v1"; set.Absent != want {
		t.Errorf("absent: %q, want %q", set.Absent, want)
	}
	if slices.ContainsFunc(set.Rows, func(r Row) bool { return r.Name == "csi-snapshotter" }) {
		t.Error("the snapshotter runs without snapshots")
	}
	if set := mustRender(t, d); len(set.Unserved) > 0 || set.Absent != "" {
		t.Errorf("%v are unserved where everything is", set.Unserved)
	}
}

// TestHostPorts: what pods in the network of the node listen at, by themselves and by wish.
func TestHostPorts(t *testing.T) {
	d := customOf(t, `  nodes:
  - name: a
    pod: {hostNetwork: true}
    driver: {ports: [{containerPort: 8080}]}
    sidecars: {livenessProbe: {extraArgs: ['--http-endpoint=localhost:29652']}}
  controller: {driver: {ports: [{containerPort: 8081, hostPort: 8082}]}}`)
	want := []v1alpha1.HostPort{
		{Component: "controller", Container: "driver", Port: 8082},
		{Component: "a", Container: "driver", Port: 8080},
		{Component: "a", Container: "node-driver-registrar", Port: hostPort(d.Name, "a", 5)},
		{Component: "a", Container: "livenessprobe", Port: 29652},
	}
	if diff := cmp.Diff(want, mustRender(t, d).Ports); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	for _, driver := range driverNames() {
		for at := range 8 {
			mine, theirs := hostPort(driver, "controller", at), hostPort(driver, "node", at)
			if mine < 22000 || theirs > 29999 || theirs-mine != 8 {
				t.Errorf("%s: ports %d and %d", driver, mine, theirs)
			}
		}
	}
}
