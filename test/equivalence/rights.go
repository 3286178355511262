// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"slices"
	"strings"
)

// A right is written group/resource:verb, with the group "core" for the unnamed
// one. A right on one object ends with " of <name>", a right in one namespace
// with " in <namespace>"; the namespace of the pods is called ownNamespace.

const (
	ownNamespace  = "own namespace"
	leaseResource = "coordination.k8s.io/leases"
)

func named(name string) string { return " of " + name }

func in(namespace string) string { return " in " + namespace }

// rights are the rights to do each of verbs with one resource.
func rights(resource string, verbs ...string) []string {
	list := make([]string, 0, len(verbs))
	for _, verb := range verbs {
		list = append(list, resource+":"+verb)
	}
	return list
}

// limited are list with limit behind each right.
func limited(list []string, limit string) []string {
	longer := make([]string, 0, len(list))
	for _, right := range list {
		longer = append(longer, right+limit)
	}
	return longer
}

// grant is what the account of one rendered workload may do, beside what it
// should.
type grant struct {
	component string
	// wanted are recorded, granted are rendered.
	wanted, granted []string
	// leases and needed are what the sidecars of the workload use.
	leases, needed []string
	tokenWanted    bool
	token          bool
}

func grants(want, got Facts) []grant {
	var list []grant
	for component, granted := range got.Rights {
		// All pools of nodes share one recorded account.
		account := "node"
		if component == componentController {
			account = component
		}
		list = append(list, grant{
			component:   component,
			wanted:      want.Rights[account],
			granted:     granted,
			leases:      got.Leases[component],
			needed:      needs(got.Workloads[component]),
			tokenWanted: want.Tokens[account],
			token:       got.Tokens[component],
		})
	}
	return list
}

// differences are recorded rights that are not granted, and granted ones that
// neither the facts nor a sidecar name.
func (g grant) differences() []Difference {
	var list []Difference
	path := "rbac/" + g.component + "/"
	for _, right := range g.wanted {
		if !g.covers(right) {
			list = append(list, Difference{path + right, "granted", "not granted"})
		}
	}
	for _, right := range g.beyond() {
		if !slices.Contains(g.needed, right) {
			list = append(list, Difference{path + right, "not granted", "granted"})
		}
	}
	if g.tokenWanted != g.token {
		list = append(list, Difference{path + "token", mounting(g.tokenWanted), mounting(g.token)})
	}
	return list
}

func mounting(token bool) string {
	if token {
		return "mounted"
	}
	return "not mounted"
}

// ExtraRights are the rights of each workload that a sidecar of the workload
// needs and the facts do not list; and those on all Leases where some would do.
func ExtraRights(want, got Facts) map[string][]string {
	extra := map[string][]string{}
	for _, g := range grants(want, got) {
		for _, right := range g.beyond() {
			if slices.Contains(g.needed, right) {
				extra[g.component] = append(extra[g.component], right)
			}
		}
	}
	return extra
}

// beyond are the granted rights that do not help to cover a wanted one.
func (g grant) beyond() []string {
	return slices.DeleteFunc(slices.Clone(g.granted), func(right string) bool {
		return slices.ContainsFunc(g.serves(right), func(wanted string) bool { return slices.Contains(g.wanted, wanted) })
	})
}

// serves are the rights that a granted one helps to cover.
func (g grant) serves(right string) []string {
	for _, lease := range g.leases {
		if base, ok := strings.CutSuffix(right, lease); ok && isLease(base) {
			return []string{base}
		}
	}
	base, own := strings.CutSuffix(right, in(ownNamespace))
	switch {
	case len(g.leases) > 0 && isNamable(base):
		return nil
	case own && isLocal(base):
		return []string{base}
	default:
		return []string{right}
	}
}

// covers says whether a wanted right is granted: everywhere, or where alone its
// resource is used, or on the very Leases that are used.
func (g grant) covers(right string) bool {
	if slices.Contains(g.granted, right) || isLocal(right) && slices.Contains(g.granted, right+in(ownNamespace)) {
		return true
	}
	lacks := func(lease string) bool { return !slices.Contains(g.granted, right+lease) }
	return isLease(right) && len(g.leases) > 0 && !slices.ContainsFunc(g.leases, lacks)
}

// isNamable says whether a right on Leases can be limited to those that are
// used. A creation has no name yet.
func isNamable(right string) bool {
	return slices.Contains(rights(leaseResource, "get", "update"), right)
}

func isLease(right string) bool { return strings.HasPrefix(right, leaseResource+":") }

// isLocal says whether sidecars use a resource in the namespace of their pod
// only.
func isLocal(right string) bool {
	return isLease(right) ||
		strings.HasPrefix(right, "storage.k8s.io/csistoragecapacities:") ||
		strings.HasPrefix(right, "apps/replicasets:")
}
