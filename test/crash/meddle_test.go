// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// drift is what somebody else does to one of a driver's objects.
type drift struct {
	kind string
	// patch is a JSON patch; empty: the object is deleted.
	patch string
	// anew says that only another object is what is wanted.
	anew bool
	// unlabelled says that the object is not seen as one of the driver.
	unlabelled bool
}

func drifts() []drift {
	const container = "/spec/template/spec/containers/0"
	return []drift{
		{kind: "ClusterRole", patch: `[{"op":"replace","path":"/rules","value":[]}]`},
		{kind: "Role", patch: `[{"op":"remove","path":"/rules/0"}]`},
		{kind: "ClusterRoleBinding", patch: `[{"op":"replace","path":"/subjects","value":[]}]`},
		{kind: "Deployment", patch: `[{"op":"replace","path":"/spec/replicas","value":7}]`},
		{kind: "Deployment", patch: `[{"op":"replace","path":"` + container + `/env/1","value":{"name":"KUBE_NODE_NAME","value":"x"}}]`},
		{kind: "Deployment", patch: `[{"op":"replace","path":"` + container + `/livenessProbe","value":{"exec":{"command":["true"]}}}]`},
		{kind: "DaemonSet", patch: `[{"op":"remove","path":"` + container + `/livenessProbe"}]`},
		{kind: "DaemonSet", patch: `[{"op":"remove","path":"/metadata/labels"}]`, unlabelled: true},
		{kind: "StorageClass", patch: `[{"op":"remove","path":"/metadata/labels"}]`, unlabelled: true},
		{kind: "CSIDriver", patch: `[{"op":"remove","path":"/metadata/labels/csi-operator.io~1deployment"}]`, unlabelled: true},
		{kind: "ClusterRole", patch: `[{"op":"add","path":"/aggregationRule","value":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]}}]`, anew: true},
		{kind: "ServiceAccount", anew: true},
		{kind: "RoleBinding", anew: true},
		{kind: "CSIDriver", anew: true},
		{kind: "Deployment", anew: true},
		{kind: "StorageClass", anew: true},
	}
}

// meddle lets somebody else edit or delete an object.
func meddle(ctx context.Context, c *cluster, dice *rand.Rand, d *driver) error {
	possible := slices.DeleteFunc(drifts(), func(chosen drift) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(d.stands)), func(r plan.Ref) bool { return r.Kind == chosen.kind })
	})
	return c.spoil(ctx, d, possible[dice.IntN(len(possible))])
}

// spoil does to a driver's first object of a kind what a drift says.
func (c *cluster) spoil(ctx context.Context, d *driver, chosen drift) error {
	refs := slices.SortedFunc(maps.Keys(d.stands), plan.Ref.Compare)
	at := slices.IndexFunc(refs, func(r plan.Ref) bool { return r.Kind == chosen.kind })
	if at < 0 {
		return fmt.Errorf("%s has no %s", d.name, chosen.kind)
	}
	ref := refs[at]
	d.ask(change)
	d.move()
	if chosen.unlabelled {
		d.kept[ref] = d.stands[ref]
	}
	if chosen.unlabelled || chosen.anew {
		d.unsettle(func(r plan.Ref) bool { return r == ref })
	}
	o := named(ref)
	if chosen.patch == "" {
		return c.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
	if err := c.Patch(ctx, o, client.RawPatch(types.JSONPatchType, []byte(chosen.patch)), client.FieldOwner("kubectl-edit")); err != nil {
		return fmt.Errorf("meddling with %s: %w", ref, err)
	}
	return nil
}

// named is an object to read into.
func named(ref plan.Ref) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	for _, kind := range desired.Kinds() {
		if kind.Kind == ref.Kind {
			o.SetGroupVersionKind(kind)
		}
	}
	o.SetNamespace(ref.Namespace)
	o.SetName(ref.Name)
	return o
}
