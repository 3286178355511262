// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

// podFragment is what a CSIDriverDeployment may say about a pod: the fields of a
// PodSpec, and what is beside them.
type podFragment struct {
	corev1.PodSpec `json:",inline"`

	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Remove      []string          `json:"remove"`
}

// decodeContainer decodes a fragment of a Container; nil for none.
func decodeContainer(field string, raw *runtime.RawExtension) (tree, error) {
	t, err := decode(field, raw, &corev1.Container{}, "Container")
	if _, named := t["name"]; named && err == nil {
		return nil, invalid(field+".name", "is refused: the operator finds the container by its own name; leave it out")
	}
	return t, err
}

// decodePod decodes a fragment of a pod; nil for none.
func decodePod(field string, raw *runtime.RawExtension) (tree, error) {
	return decode(field, raw, &podFragment{}, "PodSpec")
}

// decode decodes strictly: what typed does not know, what is given twice or null is an
// *InvalidError with its path below field.
func decode(field string, raw *runtime.RawExtension, typed any, kind string) (tree, error) {
	if raw == nil || len(raw.Raw) == 0 {
		return nil, nil
	}
	if err := refuseNull(field, raw.Raw, kind); err != nil {
		return nil, err
	}
	strict, err := kjson.UnmarshalStrict(raw.Raw, typed)
	if err != nil {
		return nil, wrongType(field, err, kind)
	}
	if len(strict) > 0 {
		return nil, notStrict(field, strict[0], kind)
	}
	var t tree
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw.Raw, &t); err != nil {
		return nil, invalid(field, "is not JSON: %v", err)
	}
	return t, refuseDirectives(field, t)
}

// refuseDirectives refuses what a merge would take for an order, or could not place: a
// fragment says what is to be there, and each element of a list has its key.
func refuseDirectives(field string, t tree) error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		at := field + "." + name
		if strings.HasPrefix(name, "$") {
			return invalid(at, "is refused: a fragment holds fields, no directives of patches; use remove")
		}
		if below, ok := t[name].(tree); ok {
			if err := refuseDirectives(at, below); err != nil {
				return err
			}
		}
		if err := refuseKeyless(at, mergeKey(name), itemsOf(t[name])); err != nil {
			return err
		}
	}
	return nil
}

// refuseKeyless looks into the objects of a list whose elements have a key, or none.
func refuseKeyless(field, key string, items []any) error {
	for i, item := range items {
		below, ok := item.(tree)
		if !ok {
			continue
		}
		at := fmt.Sprintf("%s[%d]", field, i)
		if key != "" && below[key] == nil {
			return invalid(at, "has no %s, by which it is told from others", key)
		}
		if err := refuseDirectives(at, below); err != nil {
			return err
		}
	}
	return nil
}

// refuseNull refuses the null that kubectl apply, merge patches and Helm drop
// without a word: what a reader sees in Git would not be what is stored.
func refuseNull(field string, raw []byte, kind string) error {
	var parsed any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return invalid(field, "is not JSON: %v", err)
	}
	if _, ok := parsed.(map[string]any); !ok {
		return invalid(field, "must be an object with fields of a %s", kind)
	}
	if path, found := findNull(field, parsed); found {
		return invalid(path, "null is refused; leave the field out, or name it in remove to take away what is inherited")
	}
	return nil
}

// findNull returns the path of the first null below value, keys in order.
func findNull(path string, value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return path, true
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if p, found := findNull(path+"."+key, v[key]); found {
				return p, true
			}
		}
	case []any:
		for i, item := range v {
			if p, found := findNull(fmt.Sprintf("%s[%d]", path, i), item); found {
				return p, true
			}
		}
	}
	return "", false
}

func wrongType(field string, err error, kind string) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) && mismatch.Field != "" {
		path := strings.TrimPrefix(mismatch.Field, "PodSpec.")
		return invalid(field+"."+path, "a JSON %s does not fit; a %s has %s here", mismatch.Value, kind, mismatch.Type)
	}
	return invalid(field, "cannot be read as part of a %s: %v", kind, err)
}

func notStrict(field string, err error, kind string) error {
	var at kjson.FieldError
	if !errors.As(err, &at) {
		return invalid(field, "%v", err)
	}
	if strings.HasPrefix(at.Error(), "duplicate") {
		return invalid(field+"."+at.FieldPath(), "is given twice; keep one")
	}
	return invalid(field+"."+at.FieldPath(), "is not a field of a %s; correct or remove it", kind)
}
