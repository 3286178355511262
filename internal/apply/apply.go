// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apply brings rendered objects into the cluster and takes them out
// again. Nothing else in the operator writes an object of a driver.
package apply

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// parallel is how many requests of one driver are under way at once.
const parallel = 8

// Applier writes the objects of drivers. It keeps nothing between calls and
// may be used by several goroutines.
type Applier struct {
	client client.Client
	live   client.Reader
}

// New makes an Applier. Reads of client may come from a cache that holds the
// metadata of all Namespaces, CSIDrivers and StorageClasses; live reads come
// from the API server, and only removal needs them.
func New(client client.Client, live client.Reader) *Applier {
	return &Applier{client: client, live: live}
}

// Object names one object of the cluster.
type Object struct {
	// Namespace is empty for kinds of cluster scope.
	Kind, Namespace, Name string
}

// Report is what was done, in the order of application.
type Report struct {
	// Applied objects are in the cluster as rendered.
	Applied []Object
	// Removed objects are no longer wanted and were deleted.
	Removed []Object
}

// Apply makes the cluster hold the set, and deletes the StorageClasses of the
// driver that the set no longer has. It waits for no readiness.
//
// A *ConflictError or *NamespaceError means that nothing was written, save
// that the cause came up in the middle. Otherwise a *DeniedError or
// *RefusedError says that trying again is useless until someone acts, and any
// other error that it may help. An object that fails keeps no other object of
// its step from being applied, and only accounts and rights keep later steps
// from it: pods must not run without them.
func (a *Applier) Apply(ctx context.Context, set desired.Set) (Report, error) {
	var report Report
	ours, err := a.check(ctx, set)
	if err != nil {
		return report, err
	}
	var errs []error
	for _, objects := range waves(set.Objects) {
		failed := a.applyAll(ctx, objects, ours, &report)
		errs = append(errs, failed...)
		if len(failed) > 0 && objects[0].Step == desired.StepAccounts {
			return report, worst(errs)
		}
	}
	errs = append(errs, a.prune(ctx, set, &report)...)
	return report, worst(errs)
}

// waves groups objects that can be applied at once, in their order. A binding
// comes after the roles of its step: the API server looks at the role to see
// whether the operator may grant it.
func waves(objects []desired.Object) [][]desired.Object {
	rank := func(o desired.Object) int {
		r := 2 * int(o.Step)
		if k := o.Intent.GetKind(); k == "RoleBinding" || k == "ClusterRoleBinding" {
			r++
		}
		return r
	}
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b desired.Object) int { return rank(a) - rank(b) })

	var out [][]desired.Object
	for i, o := range sorted {
		if i == 0 || rank(sorted[i-1]) != rank(o) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], o)
	}
	return out
}

// applyAll applies objects at once and returns the errors of those that failed,
// in the order of the objects.
func (a *Applier) applyAll(ctx context.Context, objects []desired.Object, ours ownership, report *Report) []error {
	results := make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, o := range objects {
		group.Go(func() error {
			results[i] = a.apply(ctx, o.Intent, ours.forced(o.Intent))
			return nil
		})
	}
	_ = group.Wait() // each error is in results

	var errs []error
	for i, err := range results {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		report.Applied = append(report.Applied, identify(objects[i].Intent))
	}
	return errs
}

// apply sends one intent. Without force, fields that others hold with another
// value are left to them, and the object counts as foreign.
func (a *Applier) apply(ctx context.Context, intent *unstructured.Unstructured, force bool) error {
	options := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldOwner)}
	if force {
		options = append(options, client.ForceOwnership)
	}
	sent := client.ApplyConfigurationFromUnstructured(intent.DeepCopy()) // the reply is written into it
	if err := a.client.Apply(ctx, sent, options...); err != nil {
		return explain(identify(intent), err)
	}
	return nil
}

// String is kind and name in a sentence.
func (o Object) String() string {
	if o.Namespace != "" {
		return fmt.Sprintf("%s %q in namespace %q", o.Kind, o.Name, o.Namespace)
	}
	return fmt.Sprintf("%s %q", o.Kind, o.Name)
}

func identify(u client.Object) Object {
	return Object{Kind: u.GetObjectKind().GroupVersionKind().Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
}
