// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// reference tells what an undisturbed installation gives.
type reference struct {
	cluster *cluster
	driver  *driver
	status  v1alpha1.CSIDriverDeploymentStatus // of driver, which nobody disturbed
	fresh   map[string]string                  // content by intent
}

// installed is an error unless a driver is what an undisturbed installation of its spec
// gives: each object, no other object, and each word of the status.
func (r *reference) installed(ctx context.Context, d *driver, now *v1alpha1.CSIDriverDeployment, there objects) error {
	if err := told(now, metav1.Condition{Type: v1alpha1.ConditionApplied, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonApplied}); err != nil {
		return err
	}
	if now.Generation != d.generation {
		return fmt.Errorf("the spec of %s was written: generation %d, want %d", d.name, now.Generation, d.generation)
	}
	set, err := desired.Render(now, facts)
	if err != nil {
		return err
	}
	for _, o := range set.Objects {
		if err := r.asRendered(ctx, o.Intent, there[plan.RefOf(o.Intent)]); err != nil {
			return err
		}
	}
	if len(there) != len(set.Objects) {
		return fmt.Errorf("%s has %d objects, want %d", d.name, len(there), len(set.Objects))
	}
	for ref, uid := range d.kept {
		if got := there[ref].GetUID(); got != uid {
			return fmt.Errorf("%s of %s was made anew: uid %s was %s", ref, d.name, got, uid)
		}
	}
	if err := r.reports(d, now, set, there); err != nil {
		return err
	}
	return orphaned(ctx, r.cluster, d, there)
}

// asRendered is an error unless an object is what the API server makes of an intent.
func (r *reference) asRendered(ctx context.Context, intent, live *unstructured.Unstructured) error {
	if live == nil {
		return fmt.Errorf("%s does not exist", plan.RefOf(intent))
	}
	want, err := r.freshly(ctx, intent)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, content(live)); diff != "" {
		return fmt.Errorf("%s: -want, +got:\n%s", plan.RefOf(intent), diff)
	}
	return nil
}

// freshly is the content of a new object, which the API server makes of an intent
// without keeping it.
func (r *reference) freshly(ctx context.Context, intent *unstructured.Unstructured) (string, error) {
	text, err := json.Marshal(intent.Object)
	if err != nil {
		return "", err
	}
	if known, found := r.fresh[string(text)]; found {
		return known, nil
	}
	o := intent.DeepCopy()
	o.SetName("fresh-" + intent.GetName())
	err = r.cluster.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(v1alpha1.FieldOwner), client.DryRunAll)
	if err != nil {
		return "", fmt.Errorf("trying %s: %w", plan.RefOf(intent), err)
	}
	o.SetName(intent.GetName())
	r.fresh[string(text)] = content(o)
	return content(o), nil
}

// content is all that people see of an object, as text.
func content(u *unstructured.Unstructured) string {
	seen := u.DeepCopy()
	delete(seen.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		unstructured.RemoveNestedField(seen.Object, "metadata", field)
	}
	annotations := seen.GetAnnotations()
	delete(annotations, "deprecated.daemonset.template.generation") // counts changes
	seen.SetAnnotations(annotations)
	text, err := json.MarshalIndent(seen.Object, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// reports is an error unless the status is that of an undisturbed installation, and its
// records are such that the next operator finds nothing to do.
func (r *reference) reports(d *driver, now *v1alpha1.CSIDriverDeployment, set desired.Set, there objects) error {
	want, err := r.statusFor(d)
	if err != nil {
		return err
	}
	want.ObservedGeneration = now.Generation
	for i := range want.Conditions {
		c := &want.Conditions[i]
		c.ObservedGeneration = now.Generation
		if c.Type == v1alpha1.ConditionApplied {
			c.Message = fmt.Sprintf("all %d objects are as rendered", len(set.Objects))
		}
	}
	want.Objects = nil
	for _, o := range set.Objects {
		ref := plan.RefOf(o.Intent)
		record, err := plan.NewRecord(o.Intent, there[ref])
		if err != nil {
			return err
		}
		want.Objects = append(want.Objects, v1alpha1.ObjectStatus{
			Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, State: v1alpha1.ObjectApplied,
			UID: record.UID, Applied: record.Intent + "/" + record.Live, Generation: recorded(now, ref, record.Generation),
		})
	}
	ignored := []cmp.Option{
		cmpopts.EquateEmpty(), cmpopts.IgnoreFields(metav1.Condition{}, "LastTransitionTime"),
		cmpopts.SortSlices(func(a, b metav1.Condition) bool { return a.Type < b.Type }),
	}
	if diff := cmp.Diff(want, now.Status, ignored...); diff != "" {
		return fmt.Errorf("status of %s: -want, +got:\n%s", d.name, diff)
	}
	return nil
}

// recorded is the generation of an object that the status tells, if it can be. It may be an
// older one: where what others did was undone, and the operator was killed before it
// could note that, the next one finds everything as it was before.
func recorded(now *v1alpha1.CSIDriverDeployment, ref plan.Ref, newest int64) int64 {
	for _, o := range now.Status.Objects {
		if o.Kind == ref.Kind && o.Namespace == ref.Namespace && o.Name == ref.Name && o.Generation > 0 && o.Generation < newest {
			return o.Generation
		}
	}
	return newest
}

// statusFor is the status of the undisturbed driver with the names of another one.
func (r *reference) statusFor(d *driver) (v1alpha1.CSIDriverDeploymentStatus, error) {
	var s v1alpha1.CSIDriverDeploymentStatus
	if r.driver == nil {
		return s, errors.New("there is no reference yet")
	}
	text, err := json.Marshal(r.status)
	was, is := desired.NamesOf(r.driver.name), desired.NamesOf(d.name)
	names := []string{was.Controller, is.Controller, was.Node, is.Node, r.driver.where(), d.where(), r.driver.name, d.name}
	for i, lease := range desired.Leases(r.driver.name) {
		names = append(names, `"`+lease+`"`, `"`+desired.Leases(d.name)[i]+`"`)
	}
	renamed := strings.NewReplacer(names...).Replace(string(text))
	return s, errors.Join(err, json.Unmarshal([]byte(renamed), &s))
}

func leases(d *driver) []*coordinationv1.Lease {
	names := desired.Leases(d.name)
	all := make([]*coordinationv1.Lease, 0, len(names))
	for _, name := range names {
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: d.where()}}
		l.Spec.HolderIdentity = new(desired.NamesOf(d.name).Controller + "-abc12")
		all = append(all, l)
	}
	return all
}
