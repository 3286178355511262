// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package equivalence compares what the operator renders for a driver with what
// the driver's own public manifests say.
//
// Both sides are brought into one normal form, Facts. That of the manifests is
// recorded in testdata/facts. That of the operator is read by FromObjects from
// what it renders for the CSIDriverDeployments in testdata/cr. FromObjects takes
// out every field that it understands: whatever is left is something the
// recorded facts have no word for, and is a difference too. So nothing of an
// object can be overlooked, and Judge proves it by changing each field in turn.
package equivalence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Facts are what the manifests of one driver say.
type Facts struct {
	// CSIDrivers are specs of CSIDrivers by name.
	CSIDrivers map[string]map[string]any `json:"csidriver"`
	// Other counts objects of all other kinds by what matters of them.
	Other map[string]int `json:"other"`
	// Rights are what the accounts may do, as group/resource:verb. Recorded
	// facts have the accounts controller and node, rendered ones have one for
	// each workload.
	Rights map[string][]string `json:"rbac"`
	// StorageClasses and SnapshotClasses are the classes by name.
	StorageClasses  map[string]map[string]any `json:"sc"`
	SnapshotClasses map[string]map[string]any `json:"vsc"`
	// Workloads by component: controller, or the name of a node pool.
	Workloads map[string]Workload `json:"workloads"`

	// Tokens tells of each account whether pods get its token. It is not
	// recorded: who may do something needs one, and who may do nothing does not.
	Tokens map[string]bool `json:"-"`
	// Leases are the leader Leases that the sidecars of each rendered workload
	// need, as they stand behind a right; see named and in.
	Leases map[string][]string `json:"-"`
	// Beyond are rendered fields that the normal form has no place for.
	Beyond map[string]string `json:"-"`
}

// Workload is a Deployment, StatefulSet or DaemonSet with its pods.
type Workload struct {
	Kind                          string               `json:"kind"`
	Replicas                      *int64               `json:"replicas"`
	Rollout                       []any                `json:"rollout"`
	RevisionHistoryLimit          int64                `json:"revisionHistoryLimit"`
	Containers                    map[string]Container `json:"containers"`
	HostPathTypes                 map[string]string    `json:"hostPathTypes"`
	HostIPC                       bool                 `json:"hostIPC"`
	HostNetwork                   bool                 `json:"hostNetwork"`
	HostPID                       bool                 `json:"hostPID"`
	DNSPolicy                     string               `json:"dnsPolicy"`
	PriorityClassName             *string              `json:"priorityClassName"`
	TerminationGracePeriodSeconds int64                `json:"terminationGracePeriodSeconds"`
	ImagePullSecrets              []string             `json:"imagePullSecrets"`
	NodeSelector                  map[string]string    `json:"nodeSelector"`
	SecurityContext               map[string]any       `json:"securityContext"`
	// Affinity and each of Tolerations are JSON as spaced writes it.
	Affinity    string   `json:"affinity"`
	Tolerations []string `json:"tolerations"`
}

// Container is one container, found by its role.
type Container struct {
	Image           string                       `json:"image"`
	PullPolicy      string                       `json:"pull"`
	Command         []string                     `json:"command"`
	Args            map[string]int               `json:"args"`
	Env             map[string]string            `json:"env"`
	Ports           [][]any                      `json:"ports"`
	Mounts          []string                     `json:"mounts"`
	Resources       map[string]map[string]string `json:"resources"`
	SecurityContext map[string]any               `json:"securityContext"`
	Lifecycle       map[string]any               `json:"lifecycle"`
	LivenessProbe   map[string]any               `json:"livenessProbe"`
	ReadinessProbe  map[string]any               `json:"readinessProbe"`
	StartupProbe    map[string]any               `json:"startupProbe"`
	MessagePolicy   string                       `json:"tmp"`
}

// Load reads recorded facts.
func Load(path string) (Facts, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Facts{}, fmt.Errorf("reading facts: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var f Facts
	if err := decoder.Decode(&f); err != nil {
		return Facts{}, fmt.Errorf("decoding facts %s: %w", path, err)
	}
	f.Tokens = map[string]bool{}
	for account, rights := range f.Rights {
		f.Tokens[account] = len(rights) > 0
	}
	for component, w := range f.Workloads {
		var affinity any
		if err := json.Unmarshal([]byte(w.Affinity), &affinity); err != nil {
			return Facts{}, fmt.Errorf("decoding the affinity of %s in %s: %w", component, path, err)
		}
		w.Affinity = spaced(affinity)
		f.Workloads[component] = w
	}
	return f, nil
}
