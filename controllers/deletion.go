// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// stage is a part of a removal. The next one begins when every object of its
// kinds and every pod of its components is gone.
type stage struct {
	kinds  []string
	pods   func(component string) bool // nil for none
	leases bool                        // of the sidecars, which nothing else finds
}

// stages are the parts of a removal after the classes, in order. The
// controller goes before the nodes, so that nothing new is attached to a node
// that can no longer unmount; the CSIDriver stays as long as a kubelet may look
// at it; rights go when nobody uses them any more. Accounts are last: as long as one is
// there, what is left is found even if nobody remembers the driver.
func stages() []stage {
	return []stage{
		{kinds: []string{"Deployment", "StatefulSet", "PodDisruptionBudget"}, pods: func(c string) bool { return c == v1alpha1.ComponentController }},
		{kinds: []string{"DaemonSet"}, pods: func(c string) bool { return c != v1alpha1.ComponentController }},
		{kinds: []string{"CSIDriver"}},
		{kinds: []string{"ConfigMap", "ClusterRoleBinding", "RoleBinding", "ClusterRole", "Role"}, leases: true},
		{kinds: []string{"ServiceAccount"}},
	}
}

// remove takes a deleted driver out of the cluster. It keeps no record of how
// far it came: each run looks at what is left. It needs neither a valid spec
// nor a namespace, and touches nothing but what has the driver's label, or is
// known by its uid to have had it.
//
// Volumes keep a driver from going as long as anything of it is there to serve
// them. Where nothing is, as after a conflict with a foreign CSIDriver, the
// volumes are not its own.
func (r *Reconciler) remove(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(d, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	owned, err := r.owned(ctx, d, desired.Kinds()...)
	if err != nil {
		return reconcile.Result{}, stuck(d, err)
	}
	if d.Spec.ManagementState == v1alpha1.Unmanaged {
		return r.release(ctx, d, owned)
	}
	if len(owned) > 0 {
		blocked, err := r.gate(ctx, d)
		if err != nil {
			return reconcile.Result{}, stuck(d, err)
		}
		if blocked {
			return r.install(ctx, d, butLostClasses(owned))
		}
	}
	markChangeBlocked(d, nil)
	listRemaining(d, owned)
	// At once: there are no volumes, and nodes without the driver are of use to others.
	later, taintErr := r.untaint(ctx, d)
	done, waiting, err := r.takeAway(ctx, d, owned)
	switch {
	case err != nil:
		return reconcile.Result{}, stuck(d, err)
	case waiting != "":
		if taintErr != nil {
			waiting += "; " + taintErr.Error()
		}
		progress(d, waiting)
		_, more, err := r.assess(ctx, d, parts{components: componentsOf(d), rows: rowsOf(d)})
		return reconcile.Result{RequeueAfter: sooner(sooner(afterWaiting, more), later)}, err
	case !done:
		return reconcile.Result{}, nil
	case taintErr != nil || later > 0:
		return after(stuck(d, taintErr), later)
	}
	return reconcile.Result{}, r.removeFinalizer(ctx, d)
}

// takeAway deletes, in order, all that a driver has. It is not done as long as it waits
// for something, or volumes came up meanwhile.
func (r *Reconciler) takeAway(ctx context.Context, d *v1alpha1.CSIDriverDeployment, owned []metav1.PartialObjectMetadata) (done bool, waiting string, err error) {
	if classes := ofKinds(owned, classKinds()...); len(classes) > 0 {
		left, err := r.delete(ctx, d, classes, classKinds()...)
		if err != nil {
			return false, "", err
		}
		// A claim may have been served while the classes still stood.
		if blocked, err := r.gate(ctx, d); err != nil || blocked {
			return false, "", err
		}
		if len(left) > 0 {
			return false, waitingFor(left, ""), nil
		}
	}
	if len(owned) == 0 { // what pods there are belong to somebody else, or to nobody
		return true, "", r.deleteLeases(ctx, d)
	}
	waiting, err = r.removeStages(ctx, d, owned)
	return waiting == "", waiting, err
}

func (r *Reconciler) deleteLeases(ctx context.Context, d *v1alpha1.CSIDriverDeployment) error {
	workload := cmp.Or(d.Spec.Controller.WorkloadName, desired.NamesOf(d.Name).Controller)
	return r.applier.DeleteLeases(ctx, d.Name, desired.Namespace(d, r.facts), workload)
}

// classKinds are the kinds of classes.
func classKinds() []string {
	var kinds []string
	for _, k := range desired.Kinds() {
		if desired.IsClass(k.Kind) {
			kinds = append(kinds, k.Kind)
		}
	}
	return kinds
}

// release leaves everything of a driver running and gives up the claim on it. Startup taints
// go all the same, since nobody would take them off any more.
func (r *Reconciler) release(ctx context.Context, d *v1alpha1.CSIDriverDeployment, owned []metav1.PartialObjectMetadata) (reconcile.Result, error) {
	if later, err := r.untaint(ctx, d); err != nil || later > 0 {
		return after(stuck(d, err), later)
	}
	if err := r.applier.Release(ctx, owned); err != nil {
		return reconcile.Result{}, stuck(d, err)
	}
	return reconcile.Result{}, r.removeFinalizer(ctx, d)
}

// owned lists by live reads what there is of a driver: what carries its label, and
// what it is known to have made and has lost that label.
func (r *Reconciler) owned(ctx context.Context, d *v1alpha1.CSIDriverDeployment, kinds ...schema.GroupVersionKind) ([]metav1.PartialObjectMetadata, error) {
	labelled, err := r.applier.Owned(ctx, d.Name, kinds...)
	if err != nil {
		return nil, err
	}
	unseen := r.ledger.records(d)
	maps.DeleteFunc(unseen, func(ref plan.Ref, _ plan.Record) bool {
		return !slices.ContainsFunc(kinds, func(k schema.GroupVersionKind) bool { return k.Kind == ref.Kind })
	})
	for i := range labelled {
		delete(unseen, plan.RefOf(&labelled[i]))
	}
	strays, err := r.strays(ctx, d, unseen)
	return append(labelled, strays...), err
}

// strays finds by live reads which of a driver's objects exist without its label, and
// forgets the others.
func (r *Reconciler) strays(ctx context.Context, d *v1alpha1.CSIDriverDeployment, unseen map[plan.Ref]plan.Record) ([]metav1.PartialObjectMetadata, error) {
	uids := map[plan.Ref]types.UID{}
	for ref, record := range unseen {
		uids[ref] = record.UID
	}
	found, err := r.applier.Strays(ctx, uids)
	if err != nil {
		return nil, err
	}
	for i := range found {
		delete(uids, plan.RefOf(&found[i]))
	}
	r.ledger.drop(d, slices.Collect(maps.Keys(uids)))
	return found, nil
}

// removeStages goes as far as it can and says what it waits for; empty if all
// is gone.
func (r *Reconciler) removeStages(ctx context.Context, d *v1alpha1.CSIDriverDeployment, owned []metav1.PartialObjectMetadata) (string, error) {
	for _, s := range stages() {
		if objects := ofKinds(owned, s.kinds...); len(objects) > 0 {
			left, err := r.delete(ctx, d, objects, s.kinds...)
			if err != nil || len(left) > 0 {
				return waitingFor(left, ""), err
			}
		}
		if s.leases {
			if err := r.deleteLeases(ctx, d); err != nil {
				return "", err
			}
		}
		pods, err := r.podsOf(ctx, d.Name, s.pods)
		if err != nil {
			return "", err
		}
		if len(pods) > 0 {
			node, err := r.nodeOf(ctx, &pods[0])
			return waitingFor(pods, node), err
		}
	}
	return "", nil
}

// madeAnew is a conflict if one of the objects that are left after a deletion is not
// even about to go: nothing tells when to delete that one.
func madeAnew(left []metav1.PartialObjectMetadata) error {
	for _, m := range left {
		if m.DeletionTimestamp == nil {
			return apierrors.NewConflict(schema.GroupResource{Resource: m.Kind}, m.Name, errors.New("it was made anew while it was deleted"))
		}
	}
	return nil
}

// delete deletes objects and returns what is left of their kinds. Those with our label
// will be found by that as long as they stand, and need no record any more.
func (r *Reconciler) delete(ctx context.Context, d *v1alpha1.CSIDriverDeployment, objects []metav1.PartialObjectMetadata, kinds ...string) ([]metav1.PartialObjectMetadata, error) {
	if err := r.applier.Delete(ctx, objects); err != nil {
		return nil, err
	}
	var found []plan.Ref
	for i := range objects {
		if objects[i].Labels[v1alpha1.LabelDeployment] != "" {
			found = append(found, plan.RefOf(&objects[i]))
		}
	}
	r.ledger.drop(d, found)
	left, err := r.owned(ctx, d, desired.KindsNamed(kinds...)...)
	if err != nil {
		return nil, err
	}
	return left, madeAnew(left)
}

// podsOf reads live which pods of the chosen components are left.
func (r *Reconciler) podsOf(ctx context.Context, driver string, chosen func(component string) bool) ([]metav1.PartialObjectMetadata, error) {
	if chosen == nil {
		return nil, nil
	}
	pods, err := r.applier.Owned(ctx, driver, corev1.SchemeGroupVersion.WithKind("Pod"))
	return slices.DeleteFunc(pods, func(p metav1.PartialObjectMetadata) bool {
		return !chosen(p.Labels[v1alpha1.LabelComponent])
	}), err
}

// nodeOf is the node of a pod as far as the cache knows it.
func (r *Reconciler) nodeOf(ctx context.Context, pod *metav1.PartialObjectMetadata) (string, error) {
	cached := &corev1.Pod{}
	_, err := get(ctx, r.client, client.ObjectKeyFromObject(pod), cached)
	return cached.Spec.NodeName, err
}

// waitingFor names the first of what is left and the node that it is on, if
// any. Only the kubelet of that node can tell that a pod has ended; where the
// node is gone, Kubernetes drops its pods once there is no Node.
func waitingFor(objects []metav1.PartialObjectMetadata, node string) string {
	if len(objects) == 0 {
		return ""
	}
	text := fmt.Sprintf("waiting for %s %q", objects[0].Kind, objects[0].Name)
	if node != "" {
		text += " on node " + node
	}
	text += " to end"
	if len(objects) > 1 {
		text += fmt.Sprintf(" and for %d more", len(objects)-1)
	}
	if node != "" {
		text += "; if the node is gone for good, delete its Node object"
	}
	return text
}

// butLostClasses chooses what a blocked driver keeps: everything, so that its
// volumes work on. Only a class that is gone does not come back: the removal had
// begun, or somebody wants no new claims.
func butLostClasses(owned []metav1.PartialObjectMetadata) func(desired.Object) bool {
	standing := map[plan.Ref]bool{}
	for i := range owned {
		standing[plan.RefOf(&owned[i])] = true
	}
	return func(o desired.Object) bool {
		return !desired.IsClass(o.Intent.GetKind()) || standing[plan.RefOf(o.Intent)]
	}
}

// stuck tells in the status which error keeps a removal from going on, and
// returns it for the next attempt. A nil error changes nothing.
func stuck(d *v1alpha1.CSIDriverDeployment, err error) error {
	if err != nil {
		progress(d, err.Error())
	}
	return err
}

// progress tells how far a removal is, once it has begun.
func progress(d *v1alpha1.CSIDriverDeployment, message string) {
	mark(d, metav1.Condition{
		Type: v1alpha1.ConditionApplied, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonDeleting, Message: message,
	})
}

func ofKinds(objects []metav1.PartialObjectMetadata, kinds ...string) []metav1.PartialObjectMetadata {
	var out []metav1.PartialObjectMetadata
	for _, o := range objects {
		if slices.Contains(kinds, o.Kind) {
			out = append(out, o)
		}
	}
	return out
}
