// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// untangle heals what server-side apply alone cannot: somebody switched a union, as
// from an emptyDir to a hostPath, and each apply would merge the two sources of
// that volume into one that the API server refuses. So what is ours is put in
// place of what is there, those fields are ours by apply as if they had never been
// anything else, and then the intent is applied. If that does not help, the error is
// the refusal.
func (a *Applier) untangle(ctx context.Context, change plan.Change, refused *RefusedError) (Applied, error) {
	patch := replacements(change, refused.tangled)
	if len(patch) == 0 {
		return Applied{}, refused
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(change.Intent.GroupVersionKind())
	object.SetNamespace(change.Ref.Namespace)
	object.SetName(change.Ref.Name)
	// A conflict, if the object is no longer the one that was looked at.
	patch = append(patch, operation{Op: "replace", Path: "/metadata/resourceVersion", Value: change.Live.GetResourceVersion()})
	if err := a.patch(ctx, object, patch); err != nil {
		return Applied{}, explain(change.Ref, err)
	}
	migrate, err := csaupgrade.UpgradeManagedFieldsPatch(object, sets.New(v1alpha1.FieldOwner), v1alpha1.FieldOwner)
	if err != nil {
		return Applied{}, fmt.Errorf("moving field ownership of %s: %w", change.Ref, err)
	}
	if len(migrate) > 0 {
		if err := a.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, migrate)); err != nil {
			return Applied{}, explain(change.Ref, err)
		}
	}
	return a.send(ctx, change.Intent, true)
}

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// patch sends operations and reads the answer into the object.
func (a *Applier) patch(ctx context.Context, object *unstructured.Unstructured, operations []operation) error {
	text, err := json.Marshal(operations)
	if err != nil {
		return fmt.Errorf("encoding a patch: %w", err)
	}
	return a.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, text), client.FieldOwner(v1alpha1.FieldOwner))
}

// replacements put our items, or our struct, in the place of those that a refusal
// names. Items of others stay.
func replacements(change plan.Change, fields []string) []operation {
	done := map[string]bool{}
	var operations []operation
	for _, field := range fields {
		path := tangledAt(field)
		wanted, exists, err := unstructured.NestedFieldNoCopy(change.Intent.Object, path...)
		pointer := "/" + strings.Join(path, "/")
		if err != nil || !exists || done[pointer] {
			continue
		}
		done[pointer] = true
		present, _, err := unstructured.NestedFieldNoCopy(change.Live.Object, path...)
		if err != nil {
			continue
		}
		operations = append(operations, operation{Op: "replace", Path: pointer, Value: inPlace(wanted, present)})
	}
	return operations
}

// tangledAt is the list, or the struct, in which a field as of an error lies:
// spec.template.spec.volumes of spec.template.spec.volumes[0].configMap.
func tangledAt(field string) []string {
	if list, _, found := strings.Cut(field, "["); found {
		return strings.Split(list, ".")
	}
	path := strings.Split(field, ".")
	return path[:len(path)-1]
}

// inPlace replaces items by those of the same name, and appends what is missing.
func inPlace(wanted, present any) any {
	ours, isList := wanted.([]any)
	theirs, wasList := present.([]any)
	if !isList || !wasList {
		return wanted
	}
	merged := slices.Clone(theirs)
	for _, item := range ours {
		at := slices.IndexFunc(merged, func(m any) bool { return nameOf(m) != "" && nameOf(m) == nameOf(item) })
		if at < 0 {
			merged = append(merged, item)
		} else {
			merged[at] = item
		}
	}
	return merged
}

func nameOf(item any) string {
	fields, _ := item.(map[string]any)
	return text(fields["name"])
}

// text is a scalar in words; empty for none.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
