// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCanonical has pairs of manifests and whether Kubernetes treats them
// alike.
func TestCanonical(t *testing.T) {
	const pod = "kind: Deployment\nspec:\n  template:\n    spec:\n      "
	cases := map[string]struct {
		a, b  string
		equal bool
	}{
		"Null":                  {`{kind: X, a: null, b: []}`, `{kind: X}`, true},
		"EmptyObject":           {`{kind: X, a: {}}`, `{kind: X}`, false},
		"CSIDriver":             {`{kind: CSIDriver, spec: {attachRequired: true, storageCapacity: false}}`, `{kind: CSIDriver, spec: {podInfoOnMount: false}}`, true},
		"CSIDriverModes":        {`{kind: CSIDriver, spec: {volumeLifecycleModes: [Ephemeral]}}`, `{kind: CSIDriver, spec: {}}`, false},
		"StorageClass":          {`{kind: StorageClass, reclaimPolicy: Delete}`, `{kind: StorageClass, volumeBindingMode: Immediate}`, true},
		"Rules":                 {`{kind: Role, rules: [{apiGroups: [a], resources: [b], verbs: [get, list]}]}`, `{kind: Role, rules: [{apiGroups: [a], resources: [b], verbs: [list]}, {apiGroups: [a], resources: [b], verbs: [get, list]}]}`, true},
		"RulesByName":           {`{kind: Role, rules: [{apiGroups: [a], resources: [b], verbs: [get]}]}`, `{kind: Role, rules: [{apiGroups: [a], resources: [b], verbs: [get], resourceNames: [c]}]}`, false},
		"RulesOfURLs":           {`{kind: Role, rules: []}`, `{kind: Role, rules: [{nonResourceURLs: [/a], verbs: [get]}]}`, false},
		"Subjects":              {`{kind: RoleBinding, roleRef: {}, subjects: [{name: a}, {name: a, apiGroup: ""}]}`, `{kind: RoleBinding, roleRef: {apiGroup: rbac.authorization.k8s.io}, subjects: [{name: a}]}`, true},
		"TwoSubjects":           {`{kind: RoleBinding, subjects: [{name: a}, {name: b}]}`, `{kind: RoleBinding, subjects: [{name: a}]}`, false},
		"Token":                 {`{kind: ServiceAccount, automountServiceAccountToken: true}`, `{kind: ServiceAccount}`, true},
		"Eviction":              {`{kind: PodDisruptionBudget, spec: {unhealthyPodEvictionPolicy: IfHealthyBudget}}`, `{kind: PodDisruptionBudget, spec: {}}`, true},
		"DeploymentStrategy":    {`{kind: Deployment, spec: {strategy: {rollingUpdate: {maxSurge: 25%}}}}`, `{kind: Deployment, spec: {replicas: 1}}`, true},
		"DeploymentSurge":       {`{kind: Deployment, spec: {strategy: {rollingUpdate: {maxSurge: 1}}}}`, `{kind: Deployment, spec: {}}`, false},
		"DaemonSetStrategy":     {`{kind: DaemonSet, spec: {updateStrategy: {rollingUpdate: {maxSurge: 0}}}}`, `{kind: DaemonSet, spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 1}}}}`, true},
		"DaemonSetOnDelete":     {`{kind: DaemonSet, spec: {updateStrategy: {type: OnDelete}}}`, `{kind: DaemonSet, spec: {}}`, false},
		"StatefulSetPartition":  {`{kind: StatefulSet, spec: {updateStrategy: {rollingUpdate: {partition: 0}}}}`, `{kind: StatefulSet, spec: {podManagementPolicy: OrderedReady}}`, true},
		"StatefulSetService":    {`{kind: StatefulSet, spec: {serviceName: ""}}`, `{kind: StatefulSet, spec: {}}`, true},
		"StatefulSetOfService":  {`{kind: StatefulSet, spec: {serviceName: a}}`, `{kind: StatefulSet, spec: {}}`, false},
		"HostNetwork":           {pod + `{hostNetwork: false}`, pod + `{restartPolicy: Always}`, true},
		"ServiceLinks":          {pod + `{enableServiceLinks: false}`, pod + `{}`, false},
		"PullPolicyOfTag":       {pod + `{containers: [{image: "a/b:v1", imagePullPolicy: IfNotPresent}]}`, pod + `{containers: [{image: "a/b:v1"}]}`, true},
		"PullPolicyOfLatest":    {pod + `{containers: [{image: "a/b:latest", imagePullPolicy: Always}]}`, pod + `{containers: [{image: "a/b:latest"}]}`, true},
		"PullPolicyWithoutTag":  {pod + `{initContainers: [{image: a/b, imagePullPolicy: Always}]}`, pod + `{initContainers: [{image: a/b}]}`, true},
		"PullPolicyOfDigest":    {pod + `{containers: [{image: "a/b@sha256:` + hash + `", imagePullPolicy: IfNotPresent}]}`, pod + `{containers: [{image: "a/b@sha256:` + hash + `"}]}`, true},
		"RequestsFromLimits":    {pod + `{containers: [{resources: {limits: {cpu: 1}, requests: {cpu: 1}}}]}`, pod + `{containers: [{resources: {limits: {cpu: 1}}}]}`, true},
		"RequestsBesideLimits":  {pod + `{containers: [{resources: {limits: {cpu: 2}, requests: {cpu: 1}}}]}`, pod + `{containers: [{resources: {limits: {cpu: 2}}}]}`, false},
		"HostPortOfHostNetwork": {pod + `{hostNetwork: true, containers: [{ports: [{containerPort: 1, hostPort: 1}]}]}`, pod + `{hostNetwork: true, containers: [{ports: [{containerPort: 1}]}]}`, true},
		"HostPortOfPodNetwork":  {pod + `{containers: [{ports: [{containerPort: 1, hostPort: 1}]}]}`, pod + `{containers: [{ports: [{containerPort: 1}]}]}`, false},
		"VolumeWithoutSource":   {pod + `{volumes: [{name: a}]}`, pod + `{volumes: [{name: a, emptyDir: {}}]}`, true},
		"VolumeInMemory":        {pod + `{volumes: [{name: a, emptyDir: {medium: Memory}}]}`, pod + `{volumes: [{name: a}]}`, false},
		"Probe":                 {pod + `{containers: [{startupProbe: {periodSeconds: 10}}]}`, pod + `{containers: [{startupProbe: {failureThreshold: 3}}]}`, true},
		"ProbePeriod":           {pod + `{containers: [{startupProbe: {periodSeconds: 9}}]}`, pod + `{containers: [{startupProbe: {}}]}`, false},
		"Privileged":            {pod + `{containers: [{securityContext: {privileged: false, runAsUser: 0}}]}`, pod + `{containers: [{securityContext: {runAsUser: 0, allowPrivilegeEscalation: true}}]}`, true},
		"Unprivileged":          {pod + `{containers: [{securityContext: {allowPrivilegeEscalation: false, runAsUser: 0}}]}`, pod + `{containers: [{securityContext: {runAsUser: 0}}]}`, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := parseManifests(t, tc.a)[0].Object, parseManifests(t, tc.b)[0].Object
			canonical(a)
			canonical(b)
			if diff := cmp.Diff(a, b); (diff == "") != tc.equal {
				t.Errorf("equal should be %v: -a, +b:\n%s", tc.equal, diff)
			}
		})
	}
}
