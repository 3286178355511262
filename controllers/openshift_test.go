// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// brokenMapper cannot reach the API server.
type brokenMapper struct{ meta.RESTMapper }

func (brokenMapper) RESTMapping(schema.GroupKind, ...string) (*meta.RESTMapping, error) {
	return nil, errors.New("no connection")
}

func TestOnOpenShift(t *testing.T) {
	there := meta.NewDefaultRESTMapper(nil)
	there.Add(schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"}, meta.RESTScopeRoot)
	for name, tc := range map[string]struct {
		mapper meta.RESTMapper
		want   bool
		fails  bool
	}{
		"OpenShift":   {there, true, false},
		"Kubernetes":  {cluster.RESTMapper(), false, false},
		"Unreachable": {brokenMapper{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := onOpenShift(tc.mapper); got != tc.want || (err != nil) != tc.fails {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}
