// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Ref names one object of the cluster.
type Ref struct {
	// Namespace is empty for kinds of cluster scope.
	Kind, Namespace, Name string
}

// RefOf names an object that knows its kind.
func RefOf(o interface {
	metav1.Object
	runtime.Object
}) Ref {
	return Ref{Kind: o.GetObjectKind().GroupVersionKind().Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// String is kind and name in a sentence.
func (r Ref) String() string {
	if r.Namespace != "" {
		return fmt.Sprintf("%s %q in namespace %q", r.Kind, r.Name, r.Namespace)
	}
	return fmt.Sprintf("%s %q", r.Kind, r.Name)
}

// Compare orders by kind, namespace and name.
func (r Ref) Compare(other Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, other.Kind), cmp.Compare(r.Namespace, other.Namespace), cmp.Compare(r.Name, other.Name))
}
