// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// keepRules leaves a role the rules that it has as long as pods of an older template may
// use them: what is new is added at once, what is old goes after the rollout. Rules that
// others wrote into the role are not kept.
func (in Input) keepRules(ref Ref, object desired.Object) (desired.Object, error) {
	live := in.Live[ref]
	if ref.Kind != "ClusterRole" && ref.Kind != "Role" || live == nil || !in.pending(component(live)) {
		return object, nil
	}
	fingerprint, err := Fingerprint(live)
	if err != nil || fingerprint != in.Records[ref].Live {
		return object, err
	}
	was, _, _ := unstructured.NestedSlice(live.Object, "rules")
	is, _, _ := unstructured.NestedSlice(object.Intent.Object, "rules")
	all := is
	for _, rule := range was {
		if !slices.ContainsFunc(is, func(r any) bool { return equality.Semantic.DeepEqual(r, rule) }) {
			all = append(all, rule)
		}
	}
	if len(all) == len(is) {
		return object, nil
	}
	object.Intent = object.Intent.DeepCopy()
	return object, unstructured.SetNestedSlice(object.Intent.Object, all, "rules")
}

// pending tells whether pods of an older template of a component are left, or are about
// to be.
func (in Input) pending(of string) bool {
	for ref, live := range in.Live {
		if !IsWorkload(ref) || component(live) != of {
			continue
		}
		if !rolledOut(live) || in.changes(ref, live) {
			return true
		}
	}
	return false
}

// changes tells whether another template is wanted than the one that was applied, or none.
func (in Input) changes(ref Ref, live *unstructured.Unstructured) bool {
	for _, o := range in.Wanted {
		if RefOf(o.Intent) == ref {
			hash, err := IntentHash(o.Intent)
			return err != nil || hash != in.Records[ref].Intent
		}
	}
	return in.applied(ref, live)
}
