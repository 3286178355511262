// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoles(t *testing.T) {
	cases := map[string]string{
		"{name: driver, image: registry/csi-provisioner:v1}":                        "driver",
		"{name: a, image: registry/csi-provisioner:v1}":                             "provisioner",
		"{name: a, image: registry:5000/x/csi-attacher:v4.12.0-eksbuild.5}":         "attacher",
		"{name: a, image: registry/csi-resizer@sha256:" + hash + "}":                "resizer",
		"{name: a, image: csi-snapshotter}":                                         "snapshotter",
		"{name: a, image: registry/csi-node-driver-registrar:v2}":                   "registrar",
		"{name: a, image: registry/livenessprobe:v2}":                               "livenessprobe",
		"{name: a, image: registry/csi-external-health-monitor-controller:v0.18.0}": "health-monitor",
		"{name: a, image: registry/csi-provisioner-x:v1}":                           "extra:a",
		"{name: b, image: registry/cephcsi:canary}":                                 "extra:b",
	}
	for container, want := range cases {
		t.Run(want, func(t *testing.T) {
			for role := range mustSmallPod(t, "containers: ["+container+"]").Containers {
				if role != want {
					t.Errorf("%s is %s, want %s", container, role, want)
				}
			}
		})
	}
}

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestMounts(t *testing.T) {
	w := mustSmallPod(t, `
containers:
- name: driver
  image: a/b:v1
  volumeMounts:
  - {name: socket, mountPath: /csi/}
  - {name: dev, mountPath: /dev, readOnly: true}
  - {name: kubelet, mountPath: /var/lib/kubelet, mountPropagation: Bidirectional, subPath: pods}
  - {name: keys, mountPath: /keys}
  - {name: config, mountPath: /config}
  - {name: secret, mountPath: /secret}
  - {name: token, mountPath: /token}
  - {name: pipe, mountPath: '\\.\pipe\a'}
- name: csi-provisioner
  image: a/csi-provisioner:v1
  volumeMounts: [{name: socket, mountPath: /run/csi}, {name: socket, mountPath: /csi}]
- name: other
  image: a/b:v1
  volumeMounts: [{name: socket, mountPath: /csi}]
volumes:
- {name: socket, emptyDir: {}}
- {name: keys, emptyDir: {medium: Memory}}
- {name: dev, hostPath: {path: /dev/}}
- {name: kubelet, hostPath: {path: /var/lib/kubelet, type: Directory}}
- {name: config, configMap: {name: c}}
- {name: secret, secret: {secretName: s}}
- {name: token, projected: {sources: [{serviceAccountToken: {path: t}}]}}
- {name: pipe, hostPath: {path: '\\.\pipe\a'}}
`)
	want := map[string][]string{
		"driver": {
			"configMap:c -> /config None",
			"emptyDir::driver,other,provisioner -> /csi None",
			"emptyDir:Memory:driver -> /keys None",
			"hostPath:/dev -> /dev None ro",
			"hostPath:/var/lib/kubelet -> /var/lib/kubelet Bidirectional subPath=pods",
			`hostPath:\.\pipe\a -> \.\pipe\a None`,
			`projected:[{"serviceAccountToken": {"expirationSeconds": 3600, "path": "t"}}] -> /token None`,
			"secret:s -> /secret None",
		},
		"provisioner": {"emptyDir::driver,other,provisioner -> /csi None", "emptyDir::driver,other,provisioner -> /run/csi None"},
		"extra:other": {"emptyDir::driver,other,provisioner -> /csi None"},
	}
	got := map[string][]string{}
	for role, c := range w.Containers {
		got[role] = c.Mounts
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	types := map[string]string{"hostPath:/dev": "", "hostPath:/var/lib/kubelet": "Directory", `hostPath:\.\pipe\a`: ""}
	if diff := cmp.Diff(types, w.HostPathTypes); diff != "" {
		t.Errorf("types: -want, +got:\n%s", diff)
	}
}

// TestAssumed has a pod that says as little as possible.
func TestAssumed(t *testing.T) {
	got := mustSmallPod(t, `
containers:
- name: driver
  image: a/b
  ports: [{name: healthz, containerPort: 9808}]
  livenessProbe: {httpGet: {port: healthz}}
  readinessProbe: {exec: {command: [true]}, periodSeconds: 2}
  resources: {limits: {cpu: 1}}
`)
	want := Workload{
		Kind: "Deployment", Replicas: new(int64(1)), RevisionHistoryLimit: 10, Rollout: []any{"RollingUpdate", "25%", "25%"},
		DNSPolicy: "ClusterFirst", TerminationGracePeriodSeconds: 30, Affinity: "{}",
		Containers: map[string]Container{"driver": {
			Image: "a/b", PullPolicy: "Always", MessagePolicy: "File", Ports: [][]any{{int64(9808), "TCP"}},
			Resources: map[string]map[string]string{"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
			LivenessProbe: map[string]any{
				"httpGet":          map[string]any{"path": "/", "port": int64(9808), "scheme": "HTTP"},
				"failureThreshold": int64(3), "initialDelaySeconds": int64(0), "periodSeconds": int64(10),
				"successThreshold": int64(1), "timeoutSeconds": int64(1),
			},
			ReadinessProbe: map[string]any{
				"exec":             map[string]any{"command": []any{true}},
				"failureThreshold": int64(3), "initialDelaySeconds": int64(0), "periodSeconds": int64(2),
				"successThreshold": int64(1), "timeoutSeconds": int64(1),
			},
		}},
	}
	if diff := cmp.Diff(want, got, equateEmpty); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestSaid has a pod that says much.
func TestSaid(t *testing.T) {
	got := mustSmallPod(t, `
hostNetwork: true
hostPID: true
dnsPolicy: Default
priorityClassName: high
terminationGracePeriodSeconds: 5
nodeSelector: {kubernetes.io/os: linux}
securityContext: {runAsUser: 0}
imagePullSecrets: [{name: pull}]
tolerations: [{key: a, effect: NoSchedule, value: b}, {operator: Exists}]
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - labelSelector: {matchLabels: {csi-operator.io/deployment: x, csi-operator.io/component: controller}}
      topologyKey: kubernetes.io/hostname
    - {labelSelector: {matchLabels: {app: other}}, topologyKey: zone}
containers:
- name: driver
  image: a/b:v1
  command: [/driver, $(A)]
  env: [{name: A, value: a}]
  ports: [{containerPort: 80, hostPort: 80, protocol: UDP}]
  terminationMessagePolicy: FallbackToLogsOnError
  securityContext: {privileged: false, readOnlyRootFilesystem: true}
  lifecycle: {preStop: {exec: {command: [/stop]}}}
`)
	want := Workload{
		Kind: "Deployment", Replicas: new(int64(1)), RevisionHistoryLimit: 10, Rollout: []any{"RollingUpdate", "25%", "25%"},
		HostNetwork: true, HostPID: true, DNSPolicy: "Default", TerminationGracePeriodSeconds: 5,
		PriorityClassName: new("high"), NodeSelector: map[string]string{"kubernetes.io/os": "linux"},
		SecurityContext: map[string]any{"runAsUser": int64(0)}, ImagePullSecrets: []string{"pull"},
		Tolerations: []string{`{"effect": "NoSchedule", "key": "a", "operator": "Equal", "value": "b"}`, `{"operator": "Exists"}`},
		Affinity: `{"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [` +
			`{"labelSelector": "<self>", "topologyKey": "kubernetes.io/hostname"}, ` +
			`{"labelSelector": {"matchLabels": {"app": "other"}}, "topologyKey": "zone"}]}}`,
		Containers: map[string]Container{"driver": {
			Image: "a/b:v1", PullPolicy: "IfNotPresent", MessagePolicy: "FallbackToLogsOnError",
			Command: []string{"/driver", "a"}, Ports: [][]any{{int64(80), "UDP"}},
			SecurityContext: map[string]any{"readOnlyRootFilesystem": true},
			Lifecycle:       map[string]any{"preStop": map[string]any{"exec": map[string]any{"command": []any{"/stop"}}}},
		}},
	}
	if diff := cmp.Diff(want, got, equateEmpty); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestBeyond has fields that the recorded facts have no word for.
func TestBeyond(t *testing.T) {
	facts, err := smallPod(t, `
enableServiceLinks: false
schedulerName: default-scheduler
containers:
- {name: driver, image: a/b:v1, stdin: true, ports: [{containerPort: 80, hostIP: 127.0.0.1}], volumeMounts: [{name: v, mountPath: /v}]}
volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]
`)
	if err != nil {
		t.Fatal(err)
	}
	const pod = "Deployment/controller/spec/template/spec/"
	want := map[string]string{
		pod + "enableServiceLinks":                 "false",
		pod + "containers[driver]/stdin":           "true",
		pod + "containers[driver]/ports[0]/hostIP": `"127.0.0.1"`,
		pod + "volumes[v]/emptyDir/sizeLimit":      `"1Gi"`,
	}
	if diff := cmp.Diff(want, facts.Beyond); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
