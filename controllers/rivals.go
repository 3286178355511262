// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// admissions are the deployments that this process let in, with the ports that they take
// on nodes. Their status tells it too, but only after they were applied and only when the
// cache shows it.
type admissions struct {
	mu   sync.Mutex
	uids map[types.UID][]v1alpha1.HostPort
}

// admit refuses a deployment that would take from another one what only one can have:
// the leader Leases of its sidecars, a startup taint, or a port on the nodes.
func (r *Reconciler) admit(ctx context.Context, d *v1alpha1.CSIDriverDeployment, set desired.Set) error {
	r.admitted.mu.Lock() // from the look at the others to the decision
	defer r.admitted.mu.Unlock()
	list := &v1alpha1.CSIDriverDeploymentList{}
	if err := r.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil { // they are only looked at
		return fmt.Errorf("listing all deployments: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		held, problem := r.collision(d, set.Ports, other)
		if problem != nil && (held || r.admitted.precedes(other, d)) {
			return problem
		}
	}
	if managed(d) {
		r.admitted.add(d.UID, set.Ports)
	}
	return nil
}

// collision is what two deployments cannot both have, nil for nothing, and whether the
// other one alone has it already. a.b and a-b have Leases of the same names: in one
// namespace the sidecars of one of them would wait for ever.
func (r *Reconciler) collision(d *v1alpha1.CSIDriverDeployment, ports []v1alpha1.HostPort, other *v1alpha1.CSIDriverDeployment) (held bool, problem error) {
	if r.shareLeases(d, other) {
		return false, &desired.InvalidError{Field: "metadata.name", Message: fmt.Sprintf(
			"the sidecars would share leader Leases with those of %s %q, which came first in namespace %q; choose another name or another namespace",
			v1alpha1.Kind, other.Name, desired.Namespace(d, r.facts))}
	}
	if d.Name == other.Name {
		return false, nil
	}
	if key := desired.StartupTaint(d); key != "" && looksAfter(other, []corev1.Taint{{Key: key}}) {
		return other.Status.Nodes.StartupTaint == key && d.Status.Nodes.StartupTaint != key, &desired.InvalidError{
			Field: "spec.startupTaint.key", Message: fmt.Sprintf(
				"%s %q has %q as well, and would take it off nodes on which this driver does not work yet; choose another one", v1alpha1.Kind, other.Name, key),
		}
	}
	theirs := r.admitted.portsOf(other)
	for _, mine := range ports {
		at := slices.IndexFunc(theirs, func(p v1alpha1.HostPort) bool { return p.Port == mine.Port })
		if at < 0 {
			continue
		}
		held = !slices.ContainsFunc(r.admitted.portsOf(d), func(p v1alpha1.HostPort) bool { return p.Port == mine.Port })
		return held, &desired.InvalidError{Field: "spec", Message: fmt.Sprintf(
			"%s of %s would take port %d of the nodes, which %s of %s %q has; give it another one, such as by --http-endpoint in extraArgs",
			mine.Container, mine.Component, mine.Port, theirs[at].Container, v1alpha1.Kind, other.Name)}
	}
	return false, nil
}

// shareLeases says whether two deployments' sidecars would share a Lease.
func (r *Reconciler) shareLeases(a, b *v1alpha1.CSIDriverDeployment) bool {
	if a.Name == b.Name || desired.Namespace(a, r.facts) != desired.Namespace(b, r.facts) {
		return false
	}
	theirs := desired.Leases(b.Name)
	return slices.ContainsFunc(desired.Leases(a.Name), func(l string) bool { return slices.Contains(theirs, l) })
}

// precedes decides who stays: the one that is installed, whatever its name, and before
// one that only plans the one that will be. Of two alike the older one, and of two made
// in one second the first by name.
func (a *admissions) precedes(one, other *v1alpha1.CSIDriverDeployment) bool {
	if mine := a.installed(one); mine != a.installed(other) {
		return mine
	}
	if plans := onlyPlans(one); plans != onlyPlans(other) {
		return !plans
	}
	if one.CreationTimestamp.Equal(&other.CreationTimestamp) {
		return one.Name < other.Name
	}
	return one.CreationTimestamp.Before(&other.CreationTimestamp)
}

// installed says whether objects of a deployment may be in the cluster.
func (a *admissions) installed(d *v1alpha1.CSIDriverDeployment) bool {
	_, admitted := a.uids[d.UID]
	return d.Status.Driver.Name != "" || admitted
}

func (a *admissions) add(uid types.UID, ports []v1alpha1.HostPort) {
	if a.uids == nil {
		a.uids = map[types.UID][]v1alpha1.HostPort{}
	}
	a.uids[uid] = ports
}

// portsOf are those that a deployment has, or had when it was last looked at.
func (a *admissions) portsOf(d *v1alpha1.CSIDriverDeployment) []v1alpha1.HostPort {
	return slices.Concat(a.uids[d.UID], d.Status.HostPorts)
}

// forget ends an admission when nothing of the deployment is left.
func (a *admissions) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.uids, uid)
}

// toRivals maps a deployment that is gone to those that may have waited for what it had,
// and forgets it.
func (r *Reconciler) toRivals(ctx context.Context, o client.Object) []reconcile.Request {
	gone, ok := o.(*v1alpha1.CSIDriverDeployment)
	if !ok {
		return nil
	}
	r.admitted.forget(gone.UID)
	r.ledger.forget(gone.UID)
	r.pace.forget(gone.UID)
	r.leases.forget(gone.Name)
	for _, w := range []*waits{r.puzzled, r.waits, r.snapshots, r.classes} {
		w.forget(gone.Name)
	}
	r.tainted.forget(gone.UID)
	return r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool {
		return r.shareLeases(d, gone) || len(gone.Status.HostPorts) > 0 && meta.IsStatusConditionFalse(d.Status.Conditions, v1alpha1.ConditionSpecValid)
	})
}

func onlyPlans(d *v1alpha1.CSIDriverDeployment) bool {
	return d.Spec.ManagementState == v1alpha1.PlanOnly
}
