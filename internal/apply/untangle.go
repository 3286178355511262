// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// untangle heals what server-side apply alone cannot: somebody switched a union, as
// from an emptyDir to a hostPath, and each apply would merge the two sources of
// that volume into one that the API server refuses. So what is ours is put in
// place of what is there, and then the intent is applied. If that does not help, the
// error is the refusal.
func (a *Applier) untangle(ctx context.Context, change plan.Change, refused *RefusedError) (Applied, error) {
	patch := replacements(change, refused.fields)
	if len(patch) == 0 {
		return Applied{}, refused
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(change.Intent.GroupVersionKind())
	object.SetNamespace(change.Ref.Namespace)
	object.SetName(change.Ref.Name)
	// A conflict, if the object is no longer the one that was looked at.
	patch = append(patch, operation{Op: "replace", Path: "/metadata/resourceVersion", Value: change.Live.GetResourceVersion()})
	err := a.patch(ctx, object, patch)
	if apierrors.IsInvalid(err) {
		return Applied{}, refused
	}
	if err != nil {
		return Applied{}, Explain(change.Ref, err)
	}
	return a.send(ctx, sameObject(change), true)
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

// replacements put our structs in the place of those in which the fields of a
// refusal lie, where they differ. What others have elsewhere stays.
func replacements(change plan.Change, fields []string) []operation {
	done := map[string]bool{}
	var operations []operation
	for _, field := range fields {
		path := segments(field)
		if len(path) < 2 { // the object as a whole
			continue
		}
		for _, o := range replace(change.Intent.Object, change.Live.Object, path[:len(path)-1], "") {
			if !done[o.Path] {
				done[o.Path] = true
				operations = append(operations, o)
			}
		}
	}
	return operations
}

// index is a place in a list of the object that was refused, which says nothing of
// the places in the object that there is.
var index = regexp.MustCompile(`\[\d+\]`)

// segments are the names on the way to a field: volumes, configMap of
// volumes[0].configMap.
func segments(field string) []string { return strings.Split(index.ReplaceAllString(field, ""), ".") }

// replace follows a path in both trees, through all items of ours in a list, and
// returns what puts ours in the place of what differs at its end.
func replace(ours, theirs any, path []string, pointer string) []operation {
	if items, isList := ours.([]any); isList {
		var operations []operation
		present, _ := theirs.([]any)
		for _, item := range items {
			at := slices.IndexFunc(present, func(p any) bool { return nameOf(p) != "" && nameOf(p) == nameOf(item) })
			if at >= 0 {
				operations = append(operations, replace(item, present[at], path, fmt.Sprintf("%s/%d", pointer, at))...)
			}
		}
		return operations
	}
	if len(path) == 0 {
		if plan.Covers(theirs, ours) {
			return nil
		}
		return []operation{{Op: "replace", Path: pointer, Value: ours}}
	}
	mine, _ := ours.(map[string]any)
	live, _ := theirs.(map[string]any)
	next, exists := live[path[0]]
	if mine[path[0]] == nil || !exists {
		return nil
	}
	return replace(mine[path[0]], next, path[1:], pointer+"/"+path[0])
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
