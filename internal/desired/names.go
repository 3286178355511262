// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// stemLabel is how much of a driver name its objects' names show; stemHash is
// how many hexadecimal digits keep two of them apart (a.b from a-b).
const (
	stemLabel = 30
	stemHash  = 5
)

// Name is what the objects of one component of a driver are called, unless the spec
// says otherwise: a DNS label of at most 52 characters, which leaves room for what
// Kubernetes appends.
func Name(driver, component string) string { return stem(driver) + "-" + component }

// IsOwnName tells whether nobody but the operator would call an object so: the names that
// it makes up hold a hash of the driver's.
func IsOwnName(driver, name string) bool { return strings.HasPrefix(name, stem(driver)+"-") }

// Names are what the controller's objects and those of the default node pool are called.
type Names struct {
	Controller, Node string
}

// NamesOf computes the names of a driver that has no others of its own.
func NamesOf(driver string) Names {
	return Names{Controller: Name(driver, v1alpha1.ComponentController), Node: Name(driver, v1alpha1.DefaultNodePool)}
}

func stem(driver string) string {
	label := strings.ReplaceAll(driver, ".", "-")
	label = strings.Trim(label[:min(len(label), stemLabel)], "-")
	return label + "-" + digest(driver)[:stemHash]
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Namespace is where the pods of d are: what the spec says, else what status
// recorded when the operator first chose, else the operator's own.
func Namespace(d *v1alpha1.CSIDriverDeployment, f Facts) string {
	switch {
	case d.Spec.Namespace != "":
		return d.Spec.Namespace
	case d.Status.Namespace != "":
		return d.Status.Namespace
	default:
		return f.OperatorNamespace
	}
}

// Leases are the names of the leader Leases that the sidecars of a driver
// create. Sidecars set neither owner nor label on them.
func Leases(driver string) []string {
	var names []string
	for _, s := range sidecar.Catalogue() {
		if s.Lease != nil {
			names = append(names, s.Lease(driver))
		}
	}
	return names
}

// Labels are on every object of a driver's component. An empty component is
// for objects that serve the driver as a whole.
func Labels(driver, component string) map[string]string {
	l := Selector(driver)
	l["app.kubernetes.io/name"] = "csi-driver"
	l["app.kubernetes.io/instance"] = stem(driver)
	l[v1alpha1.LabelManagedBy] = v1alpha1.FieldOwner
	if component != "" {
		l[v1alpha1.LabelComponent] = component
	}
	return l
}

// Selector finds everything that belongs to a driver. It is the ownership.
func Selector(driver string) map[string]string {
	return map[string]string{v1alpha1.LabelDeployment: driver}
}

// Kinds are all kinds that Render makes, so that removal can look for each by
// Selector without a spec that renders. Leases have no label; see Leases.
func Kinds() []schema.GroupVersionKind {
	return append([]schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		rbacv1.SchemeGroupVersion.WithKind("ClusterRole"),
		rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"),
		rbacv1.SchemeGroupVersion.WithKind("Role"),
		rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
		storagev1.SchemeGroupVersion.WithKind("CSIDriver"),
		appsv1.SchemeGroupVersion.WithKind(kindDeployment),
		appsv1.SchemeGroupVersion.WithKind(kindStatefulSet),
		appsv1.SchemeGroupVersion.WithKind(kindDaemonSet),
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		storagev1.SchemeGroupVersion.WithKind("StorageClass"),
	}, OptionalKinds()...)
}

// OptionalKinds are those of Kinds that not every cluster has.
func OptionalKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{attributesClassKind, snapshotClassKind, groupSnapshotClassKind}
}

// IsClass tells whether objects of a kind are classes, whose names anybody may choose.
func IsClass(kind string) bool { return strings.HasSuffix(kind, "Class") }

// KindsNamed are those of Kinds with the given names.
func KindsNamed(names ...string) []schema.GroupVersionKind {
	return slices.DeleteFunc(Kinds(), func(k schema.GroupVersionKind) bool { return !slices.Contains(names, k.Kind) })
}
