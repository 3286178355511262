// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apply executes plans: it brings rendered objects into the cluster and
// takes them out again. Nothing else in the operator writes an object of a driver.
package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// parallel is how many requests of one driver are under way at once.
const parallel = 8

// Applier writes the objects of drivers. It keeps nothing between calls and
// may be used by several goroutines.
type Applier struct {
	client client.Client
	live   client.Reader
}

// New makes an Applier. It writes by client; live reads, which removal and pruning need, come from the
// API server.
func New(client client.Client, live client.Reader) *Applier {
	return &Applier{client: client, live: live}
}

// Applied is an object that is in the cluster as rendered.
type Applied struct {
	plan.Ref

	// Object is what the API server answered.
	Object *unstructured.Unstructured
	// Omitted are the fields of the intent that this API server does not know; it
	// has the object without them.
	Omitted []string
}

// Report is what was done, in the order of application.
type Report struct {
	Applied []Applied
	// Failed are the changes that could not be made.
	Failed []Failed
	// Removed objects are no longer wanted and were deleted.
	Removed []plan.Ref
}

// Failed is a change that could not be made.
type Failed struct {
	plan.Ref

	Err error
}

// Apply executes a plan. It waits for no readiness.
//
// A *ConflictError means that nothing was written, or, where the foreign object came
// up in the middle, nothing more and nothing of that. Otherwise a *NamespaceError, *DeniedError, *RefusedError,
// *ContestedError or *BlockedError says that trying again is useless until someone acts, and any
// other error that it may help. An object that fails keeps no other object of
// its step from being applied, and only accounts and rights keep later steps
// from it: pods must not run without them. Deletions come last.
func (a *Applier) Apply(ctx context.Context, p plan.Plan) (Report, error) {
	var report Report
	if conflicts := p.Conflicts(); len(conflicts) > 0 {
		return report, &ConflictError{Object: conflicts[0].Ref, Owner: conflicts[0].Owner}
	}
	var errs []error
	for _, changes := range steps(p) {
		errs = append(errs, a.applyAll(ctx, changes, &report)...)
		if endsAll(changes[0].Step, report.Failed) {
			return report, worst(errs)
		}
	}
	errs = append(errs, a.prune(ctx, p, &report)...)
	return report, worst(errs)
}

// endsAll is true for failures after which no step begins that follows this one.
func endsAll(step desired.Step, failed []Failed) bool {
	return slices.ContainsFunc(failed, func(f Failed) bool {
		var conflict *ConflictError
		return errors.As(f.Err, &conflict) || step < desired.StepWorkloads && plan.IsRight(f.Ref)
	})
}

// steps groups the changes that can be made at once, in their order; deletions are
// none of them.
func steps(p plan.Plan) [][]plan.Change {
	var out [][]plan.Change
	for _, change := range p {
		switch {
		case change.Action == plan.Delete:
		case len(out) > 0 && out[len(out)-1][0].Step == change.Step:
			out[len(out)-1] = append(out[len(out)-1], change)
		default:
			out = append(out, []plan.Change{change})
		}
	}
	return out
}

// applyAll makes changes at once and returns the errors of those that failed, in
// the order of the changes.
func (a *Applier) applyAll(ctx context.Context, changes []plan.Change, report *Report) []error {
	applied := make([]Applied, len(changes))
	failed := atOnce(len(changes), func(i int) (err error) {
		applied[i], err = a.apply(ctx, changes[i])
		return err
	})
	var errs []error
	for i, err := range failed {
		if err != nil {
			errs = append(errs, err)
			report.Failed = append(report.Failed, Failed{Ref: changes[i].Ref, Err: err})
			continue
		}
		report.Applied = append(report.Applied, applied[i])
	}
	return errs
}

// atOnce calls f with every index below n, several at a time, and returns the errors
// by index.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range n {
		group.Go(func() error {
			errs[i] = f(i)
			return nil
		})
	}
	_ = group.Wait() // each error is in errs
	return errs
}

// apply makes one change.
func (a *Applier) apply(ctx context.Context, change plan.Change) (Applied, error) {
	switch {
	case change.Action == plan.Blocked:
		return Applied{}, &BlockedError{Object: change.Ref, Reason: change.Reason, Passing: change.Passing}
	case change.Refused != nil:
		return Applied{}, change.Refused
	}
	if change.Action == plan.Recreate {
		if err := a.delete(ctx, change.Live); err != nil {
			return Applied{}, err
		}
	}
	first := change.Action == plan.Create && nameIsFree(change.Intent)
	applied, err := a.send(ctx, sameObject(change), !first)
	var refused *RefusedError
	if errors.As(err, &refused) && (change.Action == plan.Heal || change.Action == plan.Apply) {
		applied, err = a.untangle(ctx, change, refused)
	}
	if err != nil {
		return Applied{}, err
	}
	if first && isShared(applied.Object) && applied.Object.GetUID() != change.Last {
		return Applied{}, a.giveBack(ctx, applied.Object)
	}
	return applied, a.own(ctx, applied.Object)
}

// sameObject is the intent of a change, which the API server refuses where the object
// that was looked at has made way for another one: that one may be foreign.
func sameObject(change plan.Change) *unstructured.Unstructured {
	if change.Live == nil || change.Action == plan.Recreate || !nameIsFree(change.Intent) {
		return change.Intent
	}
	intent := change.Intent.DeepCopy()
	intent.SetUID(change.Live.GetUID())
	return intent
}

// nameIsFree is true for an object whose name somebody chose: one of that name may have
// been there before, or have come up since the plan was made.
func nameIsFree(intent *unstructured.Unstructured) bool {
	return !desired.IsOwnName(intent.GetLabels()[v1alpha1.LabelDeployment], intent.GetName())
}

// isShared is true for an object that somebody else made, whatever it holds, unless it
// is one of ours that the cache has not shown: a new one has no other manager than us.
func isShared(object *unstructured.Unstructured) bool {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager != v1alpha1.FieldOwner {
			return true
		}
	}
	return false
}

// How long, and how often, it is tried to give an object back. It is shorter than the 30
// seconds in which the manager ends what it has begun.
const (
	untilGivenBack = 25 * time.Second
	giveBackEvery  = 250 * time.Millisecond
)

// giveBack takes our fields out of an object that turned out to be foreign, by
// claiming none of them. It does not stop half-way: the object carries our label, and
// would count as ours. Nothing else is done for the driver meanwhile.
func (a *Applier) giveBack(ctx context.Context, foreign *unstructured.Unstructured) error {
	nothing := &unstructured.Unstructured{}
	nothing.SetGroupVersionKind(foreign.GroupVersionKind())
	nothing.SetName(foreign.GetName())
	nothing.SetUID(foreign.GetUID()) // a conflict, and no new object, if it is gone
	conflict := &ConflictError{Object: plan.RefOf(foreign)}
	var last error
	err := wait.PollUntilContextTimeout(context.WithoutCancel(ctx), giveBackEvery, untilGivenBack, true, func(ctx context.Context) (bool, error) {
		_, last = a.request(ctx, nothing, false)
		return last == nil || isAnotherObject(last), nil
	})
	if err != nil {
		return errors.Join(conflict, fmt.Errorf("giving back %s: %w", conflict.Object, last))
	}
	return conflict
}

// send applies an intent, and without the fields that the API server does not
// know: it would refuse all the others with them.
func (a *Applier) send(ctx context.Context, intent *unstructured.Unstructured, force bool) (Applied, error) {
	known := intent.DeepCopy()
	var omitted []string
	for {
		reply, err := a.request(ctx, known, force)
		if err == nil {
			slices.Sort(omitted)
			return Applied{Ref: plan.RefOf(intent), Object: reply, Omitted: omitted}, nil
		}
		// Each answer names what lies at one depth.
		removed := removeFields(known.Object, unknownFields(err))
		if len(removed) == 0 {
			return Applied{}, Explain(plan.RefOf(intent), err)
		}
		omitted = append(omitted, removed...)
	}
}

// request sends one intent and returns the answer. Without force, fields that
// others hold with another value are left to them.
func (a *Applier) request(ctx context.Context, intent *unstructured.Unstructured, force bool) (*unstructured.Unstructured, error) {
	options := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldOwner)}
	if force {
		options = append(options, client.ForceOwnership)
	}
	reply := intent.DeepCopy() // what is sent, and then the answer to it
	return reply, a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(reply), options...)
}

// prune deletes what is not wanted any more.
func (a *Applier) prune(ctx context.Context, p plan.Plan, report *Report) []error {
	var errs []error
	for _, change := range slices.DeleteFunc(slices.Clone(p), func(c plan.Change) bool { return c.Action != plan.Delete }) {
		propagation := metav1.DeletePropagationBackground
		if plan.IsWorkload(change.Ref) { // it is there until its pods are gone, and so is what they need
			propagation = metav1.DeletePropagationForeground
		}
		if err := a.deleteBy(ctx, change.Live, propagation); err != nil {
			errs = append(errs, err)
			continue
		}
		report.Removed = append(report.Removed, change.Ref)
	}
	return errs
}
