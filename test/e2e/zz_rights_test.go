// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// right is one verb on one resource; "core" is the group without a name.
type right struct{ verb, group, resource string }

func (r right) String() string { return r.verb + " " + r.group + "/" + r.resource }

func (r auditedRequest) right() right {
	return right{r.Verb, cmp.Or(r.Object.Group, "core"), r.resource()}
}

// TestRights runs after all others, by the name of its file. It compares what sidecars
// asked of the API server meanwhile with what they may ask, and with docs/rights.md.
func TestRights(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("reading the audit log needs the local cluster")
	}
	noteRights(t, sharedDeployment(t))
	given := map[string][]rights{}
	for _, r := range noted.rights {
		given[r.account] = append(given[r.account], r)
	}
	used := map[string]map[right]bool{}
	for _, r := range audited(t) {
		account := given[r.User.Username]
		if account == nil || r.Object == nil {
			// Somebody else, such as the driver that does not know its name, whose sidecars
			// are refused the Lease of another; or a path that all may read.
			continue
		}
		wantGranted(t, account, r)
		if used[r.program()] == nil {
			used[r.program()] = map[right]bool{}
		}
		used[r.program()][r.right()] = true
	}
	if len(used) == 0 {
		t.Fatal("the audit log has no request of a sidecar")
	}
	wantDocumented(t, used)
}

// wantGranted checks one request of an account that has had these rights.
func wantGranted(t *testing.T, had []rights, r auditedRequest) {
	t.Helper()
	// Other tests take the roles of the bundled driver away.
	if r.denied() && strings.HasPrefix(r.User.Username, "system:serviceaccount:"+customNamespace+":") {
		t.Errorf("a right was lacking: %s", r)
	}
	for _, now := range had {
		inNamespace := strings.HasPrefix(now.account, "system:serviceaccount:"+r.Object.Namespace+":")
		if grants(now.cluster, r) || inNamespace && grants(now.namespace, r) {
			return
		}
	}
	t.Errorf("a right was used that no role gives: %s", r)
}

// grants tells whether a rule allows a request.
func grants(rules []rbacv1.PolicyRule, r auditedRequest) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.Verbs, r.Verb) && slices.Contains(rule.APIGroups, r.Object.Group) &&
			slices.Contains(rule.Resources, r.resource()) &&
			(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Object.Name))
	})
}

// wantDocumented checks that docs/rights.md has each right that a sidecar used or has, and
// tells which were given and not used. What is used depends on the run: a list, for one,
// is what a watch falls back to.
func wantDocumented(t *testing.T, used map[string]map[right]bool) {
	t.Helper()
	documented := documentedRights(t)
	for program, all := range used {
		for r := range all {
			switch mark, listed := documented[program][r]; {
			case !listed:
				t.Errorf("docs/rights.md does not have that %s uses %s", program, r)
			case mark == neverUsed:
				t.Logf("docs/rights.md says that %s never uses %s, and it did", program, r)
			}
		}
	}
	for _, r := range unused(used) {
		if !listedAnywhere(documented, r) {
			t.Errorf("docs/rights.md lacks the right %s", r)
		}
		t.Logf("given and not used in this run: %s", r)
	}
}

// unused are the rights that accounts had and nobody used, sorted.
func unused(used map[string]map[right]bool) []right {
	left := map[right]bool{}
	for _, account := range noted.rights {
		maps.Copy(left, single(account.all()))
	}
	for _, all := range used {
		maps.DeleteFunc(left, func(r right, _ bool) bool { return all[r] })
	}
	// What the test's driver asks for itself.
	maps.DeleteFunc(left, func(r right, _ bool) bool { return r.group == "example.com" })
	return slices.SortedFunc(maps.Keys(left), func(a, b right) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource), cmp.Compare(a.verb, b.verb))
	})
}

func listedAnywhere(documented map[string]map[right]mark, r right) bool {
	for _, rows := range documented {
		if _, listed := rows[r]; listed {
			return true
		}
	}
	return false
}

// single are the rights of rules, one by one.
func single(rules []rbacv1.PolicyRule) map[right]bool {
	all := map[right]bool{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all[right{verb, cmp.Or(group, "core"), resource}] = true
				}
			}
		}
	}
	return all
}

// mark is what docs/rights.md says of a right.
type mark int

const (
	inUse mark = iota
	neverUsed
)

// documentedRights reads the table of docs/rights.md, by sidecar. A row is: sidecar,
// group/resource, verbs used, verbs never used, why.
func documentedRights(t *testing.T) map[string]map[right]mark {
	t.Helper()
	text, err := os.ReadFile("../../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[right]mark{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		group, resource, _ := strings.Cut(strings.Trim(cells[1], " `"), "/")
		program := strings.TrimSpace(cells[0])
		if found[program] == nil {
			found[program] = map[right]mark{}
		}
		for column, means := range map[int]mark{2: inUse, 3: neverUsed} {
			for _, verb := range strings.Fields(cells[column]) {
				found[program][right{verb, group, resource}] = means
			}
		}
	}
	return found
}
