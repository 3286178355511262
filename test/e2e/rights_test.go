// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// rights are what the account of a driver's controller may do.
type rights struct {
	account            string
	cluster, namespace []rbacv1.PolicyRule
}

func (r rights) all() []rbacv1.PolicyRule { return slices.Concat(r.cluster, r.namespace) }

// name tells whether a rule is about this resource, or about the object of this name.
func (r rights) name(word string) bool {
	return slices.ContainsFunc(r.all(), func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.Resources, word) || slices.Contains(rule.ResourceNames, word)
	})
}

// readRights reads what the controller of a deployment may do now.
func readRights(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (rights, error) {
	controller := client.MatchingLabels{v1alpha1.LabelDeployment: d.Name, v1alpha1.LabelComponent: v1alpha1.ComponentController}
	var accounts corev1.ServiceAccountList
	var clusterRoles rbacv1.ClusterRoleList
	var roles rbacv1.RoleList
	for _, list := range []client.ObjectList{&accounts, &clusterRoles, &roles} {
		if err := shared.List(ctx, list, controller); err != nil {
			return rights{}, fmt.Errorf("listing the rights of %s: %w", d.Name, err)
		}
	}
	if len(accounts.Items) != 1 {
		return rights{}, fmt.Errorf("the controller of %s has %d accounts", d.Name, len(accounts.Items))
	}
	found := rights{account: "system:serviceaccount:" + accounts.Items[0].Namespace + ":" + accounts.Items[0].Name}
	for _, role := range clusterRoles.Items {
		found.cluster = append(found.cluster, role.Rules...)
	}
	for _, role := range roles.Items {
		found.namespace = append(found.namespace, role.Rules...)
	}
	return found, nil
}

func rightsOf(t *testing.T, d *v1alpha1.CSIDriverDeployment) rights {
	t.Helper()
	found, err := readRights(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// noted are the rights that accounts had in the course of the tests, for the test that
// compares them with what was used.
var noted struct {
	sync.Mutex
	rights []rights
}

// noteRights keeps what the controller of a deployment may do now.
func noteRights(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	found := rightsOf(t, d)
	noted.Lock()
	defer noted.Unlock()
	noted.rights = append(noted.rights, found)
}
