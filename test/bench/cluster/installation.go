// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// scraper is the ServiceAccount that may read the operator's metrics.
const scraper = "scraper"

// installation is what config/default makes, apart from the pod, and what the
// other users need.
func installation() ([]client.Object, error) {
	role, metrics := &rbacv1.ClusterRole{}, &rbacv1.ClusterRole{}
	if err := shipped("role.yaml", role); err != nil {
		return nil, err
	}
	if err := shipped("metrics_reader_role.yaml", metrics); err != nil {
		return nil, err
	}
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}},
		role,
		metrics,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: scraper}},
		binding("csi-operator", role.Name, rbacv1.Subject{Kind: rbacv1.UserKind, Name: Operator}),
		binding("limited-floor", role.Name, rbacv1.Subject{Kind: rbacv1.UserKind, Name: LimitedFloor}),
		binding("floor", "cluster-admin", rbacv1.Subject{Kind: rbacv1.UserKind, Name: Floor}),
		binding("scraper", metrics.Name, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: Namespace, Name: scraper}),
	}, nil
}

// shipped reads a role from config/rbac.
func shipped(file string, into *rbacv1.ClusterRole) error {
	text, err := os.ReadFile(filepath.Join("config", "rbac", file))
	if err != nil {
		return fmt.Errorf("reading a role, which needs the repository as working directory: %w", err)
	}
	return yaml.UnmarshalStrict(text, into)
}

func binding(name, role string, subject rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	if subject.Kind == rbacv1.UserKind {
		subject.APIGroup = rbacv1.GroupName
	}
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-" + name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{subject},
	}
}

// ScraperToken makes a token of the account that may read metrics.
func (c *Cluster) ScraperToken(ctx context.Context) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: scraper}}
	request := &authenticationv1.TokenRequest{}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("making a token for metrics: %w", err)
	}
	return request.Status.Token, nil
}
