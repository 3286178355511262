// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func kind(gv schema.GroupVersion, name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: gv.String(), Kind: name}
}

// cluster is the metadata of an object of cluster scope. There are no owner
// references: with them, foreground deletion would remove everything while
// volumes still need it.
func (in inputs) cluster(name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:        name,
		Labels:      Labels(in.driver, component),
		Annotations: map[string]string{v1alpha1.AnnotationUID: in.uid},
	}
}

// namespaced is cluster in the namespace of the pods.
func (in inputs) namespaced(name, component string) metav1.ObjectMeta {
	m := in.cluster(name, component)
	m.Namespace = in.namespace
	return m
}
