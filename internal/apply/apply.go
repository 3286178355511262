// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apply brings rendered objects into the cluster and takes them out
// again. Nothing else in the operator writes an object of a driver.
package apply

import (
	"cmp"
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
// from the API server, and are needed by removal and before something is made.
func New(client client.Client, live client.Reader) *Applier {
	return &Applier{client: client, live: live}
}

// Object names one object of the cluster.
type Object struct {
	// Namespace is empty for kinds of cluster scope.
	Kind, Namespace, Name string
}

// Applied is an object that is in the cluster as rendered.
type Applied struct {
	Object
	// Generation of its spec by the API server's answer; 0 for kinds that do
	// not count it.
	Generation int64
}

// Report is what was done, in the order of application.
type Report struct {
	Applied []Applied
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
	for _, objects := range steps(set.Objects) {
		failed := a.applyAll(ctx, objects, ours, &report)
		errs = append(errs, failed...)
		if len(failed) > 0 && objects[0].Step <= desired.StepBindings {
			return report, worst(errs)
		}
	}
	errs = append(errs, a.prune(ctx, set, &report)...)
	return report, worst(errs)
}

// steps groups objects that can be applied at once, in their order.
func steps(objects []desired.Object) [][]desired.Object {
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b desired.Object) int { return cmp.Compare(a.Step, b.Step) })

	var out [][]desired.Object
	for i, o := range sorted {
		if i == 0 || sorted[i-1].Step != o.Step {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], o)
	}
	return out
}

// applyAll applies objects at once and returns the errors of those that failed,
// in the order of the objects.
func (a *Applier) applyAll(ctx context.Context, objects []desired.Object, ours ownership, report *Report) []error {
	applied, failed := make([]Applied, len(objects)), make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, o := range objects {
		group.Go(func() error {
			applied[i], failed[i] = a.apply(ctx, o.Intent, ours.forced(o.Intent))
			return nil
		})
	}
	_ = group.Wait() // each error is in failed

	var errs []error
	for i, err := range failed {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		report.Applied = append(report.Applied, applied[i])
	}
	return errs
}

// apply sends one intent. Without force, fields that others hold with another
// value are left to them, and the object counts as foreign.
func (a *Applier) apply(ctx context.Context, intent *unstructured.Unstructured, force bool) (Applied, error) {
	options := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldOwner)}
	if force {
		options = append(options, client.ForceOwnership)
	}
	reply := intent.DeepCopy() // what is sent, and then the answer to it
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(reply), options...); err != nil {
		return Applied{}, explain(identify(intent), err)
	}
	return Applied{Object: identify(intent), Generation: reply.GetGeneration()}, nil
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
