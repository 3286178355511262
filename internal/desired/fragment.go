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

// fragment is what a CSIDriverDeployment may say about a pod, under the names
// that a PodSpec has for it. A nil field was not given and keeps its default;
// an empty one was given and clears it.
type fragment struct {
	NodeSelector              map[string]string                 `json:"nodeSelector"`
	Affinity                  *corev1.Affinity                  `json:"affinity"`
	Tolerations               []corev1.Toleration               `json:"tolerations"`
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints"`
	PriorityClassName         *string                           `json:"priorityClassName"`
}

const fragmentFields = "nodeSelector, affinity, tolerations, topologySpreadConstraints and priorityClassName"

// decodeFragment decodes strictly: what is not known, given twice or null is
// an *InvalidError with its path below field.
func decodeFragment(field string, raw *runtime.RawExtension) (fragment, error) {
	var f fragment
	if raw == nil || len(raw.Raw) == 0 {
		return f, nil
	}
	if err := refuseNull(field, raw.Raw); err != nil {
		return f, err
	}
	strict, err := kjson.UnmarshalStrict(raw.Raw, &f)
	if err != nil {
		return fragment{}, wrongType(field, err)
	}
	if len(strict) > 0 {
		return fragment{}, notStrict(field, strict[0])
	}
	return f, nil
}

// refuseNull refuses the null that kubectl apply, merge patches and Helm drop
// without a word: what a reader sees in Git would not be what is stored.
func refuseNull(field string, raw []byte) error {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return invalid(field, "is not JSON: %v", err)
	}
	if _, ok := tree.(map[string]any); !ok {
		return invalid(field, "must be an object with fields of a PodSpec")
	}
	if path, found := findNull(field, tree); found {
		return invalid(path, "null is refused; leave the field out")
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

func wrongType(field string, err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) && mismatch.Field != "" {
		return invalid(field+"."+mismatch.Field, "a JSON %s does not fit; a PodSpec has %s here", mismatch.Value, mismatch.Type)
	}
	return invalid(field, "cannot be read as part of a PodSpec: %v", err)
}

func notStrict(field string, err error) error {
	var at kjson.FieldError
	if !errors.As(err, &at) {
		return invalid(field, "%v", err)
	}
	path := at.FieldPath()
	switch {
	case strings.HasPrefix(at.Error(), "duplicate"):
		return invalid(field+"."+path, "is given twice; keep one")
	case strings.ContainsAny(path, ".["):
		return invalid(field+"."+path, "is not a field of a PodSpec; correct or remove it")
	default:
		return invalid(field+"."+path, "is not taken here; taken are %s", fragmentFields)
	}
}

// apply puts what was given in the place of the defaults in spec. A node
// selector is merged, so that a pod stays on the system it was built for.
func (f fragment) apply(spec *corev1.PodSpec) {
	for key, value := range f.NodeSelector {
		spec.NodeSelector[key] = value
	}
	if f.Affinity != nil {
		spec.Affinity = f.Affinity
	}
	if f.Tolerations != nil {
		spec.Tolerations = f.Tolerations
	}
	if f.TopologySpreadConstraints != nil {
		spec.TopologySpreadConstraints = f.TopologySpreadConstraints
	}
	if f.PriorityClassName != nil {
		spec.PriorityClassName = *f.PriorityClassName
	}
}
