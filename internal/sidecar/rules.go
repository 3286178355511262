// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import rbacv1 "k8s.io/api/rbac/v1"

// Use is what a sidecar does, as far as its rights depend on it.
type Use struct {
	// Capabilities of the driver.
	Capabilities Capabilities
	// Args are its whole command line.
	Args []string
	// Secrets is true if a class has it read Secrets for the driver.
	Secrets bool
	// OwnedBy is the kind that owns what it publishes.
	OwnedBy string
}

// on tells whether a boolean flag is set, or is unless it is denied.
func (u Use) on(flag string, unasked bool) bool { return on(u.Args, flag, unasked) }

// allow is a rule for one resource.
func allow(group, resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}

// rulesIf are rules where a condition holds.
func rulesIf(holds bool, rules ...rbacv1.PolicyRule) []rbacv1.PolicyRule {
	if !holds {
		return nil
	}
	return rules
}

// readSecrets is for the Secrets that classes name.
func readSecrets(u Use) []rbacv1.PolicyRule {
	return rulesIf(u.Secrets, allow(core, "secrets", "get"))
}

// reportEvents is for telling on a claim what happens to it.
func reportEvents() rbacv1.PolicyRule {
	return allow(core, "events", "list", "watch", "create", "update", "patch")
}

// noRules are those of a sidecar that does not talk to the API server.
func noRules(Use) []rbacv1.PolicyRule { return nil }

// API groups of the rules.
const (
	core          = ""
	storage       = "storage.k8s.io"
	snapshots     = "snapshot.storage.k8s.io"
	groupSnapshot = "groupsnapshot.storage.k8s.io"
)
