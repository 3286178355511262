// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API csi-operator.io/v1alpha1: one
// CSIDriverDeployment describes the whole life of one CSI driver.
//
// +kubebuilder:object:generate=true
// +groupName=csi-operator.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "csi-operator.io", Version: "v1alpha1"}

// AddToScheme registers the kinds of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &CSIDriverDeployment{}, &CSIDriverDeploymentList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
