// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/test/bench/audit"
)

// drifts are what somebody does to a field that the operator owns, by kind.
func drifts() map[string]string {
	return map[string]string{
		"ServiceAccount":     `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"somebody"}}}`,
		"ClusterRole":        `{"rules":[]}`,
		"ClusterRoleBinding": `{"subjects":[]}`,
		"Role":               `{"rules":[]}`,
		"RoleBinding":        `{"subjects":[]}`,
		"CSIDriver":          `{"spec":{"podInfoOnMount":true}}`,
		"Deployment":         `{"spec":{"replicas":7}}`,
		"DaemonSet":          `{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}`,
		"StorageClass":       `{"allowVolumeExpansion":false}`,
		// A number that it has not: one pod may be missing.
		"PodDisruptionBudget": `{"spec":{"maxUnavailable":2}}`,
	}
}

// drift edits an owned field of every object, one after the other, and then deletes
// every object.
func (s *steady) drift(ctx context.Context) error {
	objects, err := s.owned(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		patch, known := drifts()[o.GetKind()]
		if !known {
			return fmt.Errorf("no drift of kind %s is known", o.GetKind())
		}
		err := s.heal(ctx, o, "edited", func() error { return s.merge(ctx, o, patch, client.FieldOwner("kubectl-edit")) })
		if err != nil {
			return err
		}
	}
	for _, o := range objects {
		if err := s.heal(ctx, o, "deleted", func() error { return s.cluster.Delete(ctx, o) }); err != nil {
			return err
		}
	}
	return nil
}

// heal damages an object and counts the writes of objects until the operator is
// calm again; what its status says afterwards is only noted.
func (s *steady) heal(ctx context.Context, o *unstructured.Unstructured, what string, damage func() error) error {
	kind := o.GetKind()
	what = kind + " " + o.GetName() + " " + what
	tell("drift: %s", what)
	sent, err := s.during(ctx, func() error {
		mark, err := s.cluster.Audit.Mark()
		if err != nil {
			return err
		}
		if err := damage(); err != nil {
			return err
		}
		return await(ctx, what+" is healed", func() error {
			records, err := s.cluster.Audit.Since(mark)
			if err == nil && !slices.ContainsFunc(records, func(r audit.Record) bool { return isApplied(r) && r.Name == o.GetName() }) {
				err = fmt.Errorf("nothing was applied")
			}
			return err
		})
	})
	if err == nil {
		err = s.restored(ctx, o)
	}
	if err != nil {
		return err
	}
	own := sent.Where(func(r audit.Record) bool { return r.Resource == drivers+"/status" || r.Event() })
	s.report.drift(kind, sent.Where(func(r audit.Record) bool { return r.Resource != drivers+"/status" && !r.Event() }), len(own))
	return nil
}

// restored is an error unless an object, or another one in its place, is as it was.
func (s *steady) restored(ctx context.Context, before *unstructured.Unstructured) error {
	now := &unstructured.Unstructured{}
	now.SetGroupVersionKind(before.GroupVersionKind())
	if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(before), now); err != nil {
		return fmt.Errorf("reading what was healed: %w", err)
	}
	if was, is := lasting(before), lasting(now); !equality.Semantic.DeepEqual(was, is) {
		return fmt.Errorf("%s %s is not as it was: %v, before %v", now.GetKind(), now.GetName(), is, was)
	}
	return nil
}

// lasting is what of an object must be as it was: its content, and the labels of the
// operator, which all have a prefix.
func lasting(o *unstructured.Unstructured) map[string]any {
	content := maps.Clone(o.Object)
	delete(content, "status")
	labels := map[string]any{}
	for key, value := range o.GetLabels() {
		if strings.Contains(key, "/") {
			labels[key] = value
		}
	}
	content["metadata"] = labels
	return content
}

func mergePatch(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
