// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"maps"
	"slices"
)

// serviceAccount is what matters of a ServiceAccount.
type serviceAccount struct{ token bool }

func readAccount(h head, f fields) func(*set) {
	account := serviceAccount{token: f.flag("automountServiceAccountToken")}
	return func(s *set) { s.accounts[h.identity] = account }
}

// readRole reads a ClusterRole or a Role, whose rules are a set of rights by now.
func readRole(h head, f fields) func(*set) {
	granted := f.texts("rules")
	return func(s *set) { s.roles[h.identity] = granted }
}

// binding gives a role to subjects.
type binding struct {
	identity
	role     identity
	subjects []identity
}

// readBinding reads a ClusterRoleBinding or a RoleBinding.
func readBinding(h head, f fields) func(*set) {
	b := binding{identity: h.identity}
	role := f.child("roleRef")
	b.role.kind, b.role.name = role.text("kind"), role.text("name")
	if b.role.kind == "Role" {
		b.role.namespace = h.namespace
	}
	if group := role.text("apiGroup"); group != "rbac.authorization.k8s.io" {
		f.found.fail("%s: refers to a role of %q", f.at, group)
	}
	role.rest()
	for _, item := range f.items("subjects") {
		b.subjects = append(b.subjects, identity{item.text("kind"), item.text("namespace"), item.text("name")})
		item.rest()
	}
	return func(s *set) { s.bindings = append(s.bindings, b) }
}

// linkAccounts finds out what the account of each workload may do. An account,
// a role or a binding that serves no workload is an error.
func (s *set) linkAccounts() {
	idle := map[identity]bool{}
	for id := range s.accounts {
		idle[id] = true
	}
	for id := range s.roles {
		idle[id] = true
	}
	for component, w := range s.workloads {
		id := identity{"ServiceAccount", w.namespace, w.account}
		account, there := s.accounts[id]
		if !there {
			s.found.fail("%s: its account %s is not there", w.identity, id)
		}
		delete(idle, id)
		s.facts.Tokens[component] = account.token
		if w.token != nil {
			s.facts.Tokens[component] = *w.token
		}
		s.facts.Rights[component] = s.rightsOf(id, idle)
		for name := range s.facts.CSIDrivers {
			s.facts.Leases[component] = leases(w.Workload, name, w.namespace)
		}
	}
	for id := range idle {
		s.found.fail("%s: serves no workload", id)
	}
}

// rightsOf collects what account may do, and takes the roles that it uses out
// of idle.
func (s *set) rightsOf(account identity, idle map[identity]bool) []string {
	all := map[string]bool{}
	for _, b := range s.bindings {
		granted, there := s.roles[b.role]
		if !there {
			s.found.fail("%s: its role %s is not there", b.identity, b.role)
		}
		for _, subject := range b.subjects {
			if _, known := s.accounts[subject]; !known {
				s.found.fail("%s: its subject %s is not there", b.identity, subject)
			}
		}
		if !slices.Contains(b.subjects, account) {
			continue
		}
		delete(idle, b.role)
		for _, right := range granted {
			all[right+scope(b.namespace, account.namespace)] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// scope is where a binding of one namespace grants something, seen from
// another.
func scope(namespace, own string) string {
	switch namespace {
	case "":
		return ""
	case own:
		return in(ownNamespace)
	default:
		return in(namespace)
	}
}
