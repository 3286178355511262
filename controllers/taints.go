// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/plan"
	"github.com/csi-operator/csi-operator/internal/taint"
)

// maxTaintWrites is how many nodes are patched in one reconcile; others wait for the next.
const maxTaintWrites = 100

// nodePatch is what is to be done with the taints of a node.
type nodePatch struct {
	node  *corev1.Node
	patch []taint.Operation
}

// tend looks after the startup taint of a driver, whose key may be empty for none. The key
// goes into the status, by which it is known when it is no longer that of the spec: its
// taints go first, and no node gets one of a key that the status does not have yet. It
// returns when there will be more to do although nothing happens; 0 for never.
func (r *Reconciler) tend(ctx context.Context, d *v1alpha1.CSIDriverDeployment, key string, retaint bool, p health.Presence) (time.Duration, error) {
	recorded := d.Status.Nodes.StartupTaint
	if !managed(d) || key == "" && recorded == "" {
		return 0, nil
	}
	if recorded != "" && recorded != key {
		if again, err := r.clearTaints(ctx, d, recorded); err != nil || again > 0 {
			return again, err
		}
	}
	d.Status.Nodes.StartupTaint = key
	if key == "" {
		r.tainted.forget(d.UID)
		return 0, nil
	}
	m := r.tainted.of(d.UID)
	m.mu.Lock()
	defer m.mu.Unlock()
	nodes, err := r.nodes(ctx, m)
	if err != nil {
		return 0, err
	}
	if !d.Spec.StartupTaint.Retaint {
		m.absent = nil
	}
	patches, due := m.decide(key, nodes, p, retaint && recorded == key)
	again, err := r.patchNodes(ctx, m, key, patches)
	return sooner(again, due), err
}

// clearTaints takes all taints of a key off all nodes. It is done when it returns zeros.
func (r *Reconciler) clearTaints(ctx context.Context, d *v1alpha1.CSIDriverDeployment, key string) (time.Duration, error) {
	m := r.tainted.of(d.UID)
	m.mu.Lock()
	defer m.mu.Unlock()
	nodes, err := r.nodes(ctx, m)
	if err != nil {
		return 0, err
	}
	var patches []nodePatch
	for _, n := range nodes {
		if patch := taint.Clear(key, taint.Node{UID: n.UID, Taints: n.Spec.Taints}); patch != nil {
			patches = append(patches, nodePatch{n, patch})
		}
	}
	return r.patchNodes(ctx, m, key, patches)
}

// untaint takes the startup taints of a driver that goes off all nodes: nobody would do
// that later. What it never looked after it leaves alone while it is unmanaged.
func (r *Reconciler) untaint(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (time.Duration, error) {
	keys := []string{d.Status.Nodes.StartupTaint}
	if managed(d) {
		keys = append(keys, desired.StartupTaint(d))
	}
	for _, key := range slices.Compact(keys) {
		if key == "" {
			continue
		}
		if again, err := r.clearTaints(ctx, d, key); err != nil || again > 0 {
			return again, err
		}
	}
	return 0, nil
}

// nodes are those of the cache, by name, or as the API server answered where the cache
// does not show that yet.
func (r *Reconciler) nodes(ctx context.Context, m *taintMemory) ([]*corev1.Node, error) {
	list := &corev1.NodeList{}
	if err := r.client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	nodes := make([]*corev1.Node, 0, len(list.Items))
	for i := range list.Items {
		nodes = append(nodes, m.newest(&list.Items[i]))
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	m.keepOnly(nodes)
	return nodes, nil
}

// patchNodes sends patches, but not again at once what was refused.
func (r *Reconciler) patchNodes(ctx context.Context, m *taintMemory, key string, patches []nodePatch) (time.Duration, error) {
	var (
		again time.Duration
		errs  []error
		sent  int
	)
	for _, p := range patches {
		err := m.refusedLately(p.node.UID)
		if err == nil && sent == maxTaintWrites {
			again = sooner(again, afterConflict)
			break
		}
		if err == nil {
			err = r.patchNode(ctx, m, key, p)
			sent++
		}
		var denied *apply.DeniedError
		switch {
		case errors.As(err, &denied): // and of all others
			return again, err
		case isStale(err):
			log.FromContext(ctx).V(1).Info("Node changed meanwhile", "node", p.node.Name, "cause", err.Error())
			again = sooner(again, settle) // the cache tells before
		case err != nil:
			errs = append(errs, err)
		}
	}
	return again, errors.Join(errs...)
}

// patchNode sends a patch and keeps what came of it.
func (r *Reconciler) patchNode(ctx context.Context, m *taintMemory, key string, p nodePatch) error {
	text, err := json.Marshal(p.patch)
	if err != nil {
		return fmt.Errorf("writing a patch of Node %q: %w", p.node.Name, err)
	}
	reply := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.node.Name}}
	err = r.client.Patch(ctx, reply, client.RawPatch(types.JSONPatchType, text), client.FieldOwner(v1alpha1.FieldOwner))
	switch {
	case err == nil:
		m.wrote(stripNode(reply))
		log.FromContext(ctx).Info("Changed the startup taint of a node", "node", p.node.Name, "key", key, "taints", reply.Spec.Taints)
		return nil
	case isStale(err):
		return err
	default:
		err = explainTaint(p.node.Name, key, err)
		m.wasRefused(p.node.UID, err)
		return err
	}
}

// isStale is true for the answer to a patch of a node that is not, or no longer, as it was
// looked at: what the patch tests does not hold, or the node is gone. Such a refusal names
// no object; those of validation and admission do.
func isStale(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err) && (details == nil || details.Name == "")
}

// explainTaint turns what the API server said to a patch into the errors by which Applied
// has its reason, where it tells something that lasts.
func explainTaint(node, key string, err error) error {
	object := plan.Ref{Kind: "Node", Name: node}
	var denied *apply.DeniedError
	explained := apply.Explain(object, err)
	if errors.As(explained, &denied) {
		denied.Reason = fmt.Sprintf("the operator's account may not patch nodes, and startup taint %q stays; give it that right, as config/rbac/role.yaml does (%s)", key, denied.Reason)
	}
	return explained
}
