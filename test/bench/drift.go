// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

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
		kind := o.GetObjectKind().GroupVersionKind().Kind
		patch, known := drifts()[kind]
		if !known {
			return fmt.Errorf("no drift of kind %s is known", kind)
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
func (s *steady) heal(ctx context.Context, o client.Object, what string, damage func() error) error {
	kind := o.GetObjectKind().GroupVersionKind().Kind
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
	if err != nil {
		return err
	}
	own := sent.Where(func(r audit.Record) bool { return r.Resource == drivers+"/status" || r.Event() })
	s.report.drift(kind, sent.Where(func(r audit.Record) bool { return r.Resource != drivers+"/status" && !r.Event() }), len(own))
	return nil
}

func mergePatch(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
