// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// layer is what one place of a CSIDriverDeployment says about a container or a pod:
// what it takes away from all that came before, and then what it lays over it.
type layer struct {
	// field is the place, for messages.
	field    string
	removals []removal
	fragment tree
	// flags are added to the command line of a sidecar.
	flags []string
	// anywhere is true for what is said about several containers: it is enough that one
	// of them has what is removed.
	anywhere bool
}

// removal takes one thing away.
type removal struct {
	field, path string
	steps       []step
}

func (rm removal) notThere() error {
	return invalid(rm.field, "%q is not there; remove only what is inherited", rm.path)
}

// readRemovals reads the paths of a list in the spec.
func readRemovals(field string, paths []string) ([]removal, error) {
	var list []removal
	for i, path := range paths {
		rm := removal{field: fmt.Sprintf("%s.remove[%d]", field, i), path: path}
		var ok bool
		if rm.steps, ok = parsePath(path); !ok {
			return nil, invalid(rm.field, "%q is no path: part fields by dots, put the key of an element in brackets and a name with dots in quotes, such as env[NAME] or nodeSelector.\"kubernetes.io/os\"", path)
		}
		list = append(list, rm)
	}
	return list, nil
}

// readLayer reads what a field of the spec says about a container.
func readLayer(field string, remove []string, raw *runtime.RawExtension) (layer, error) {
	fragment, err := decodeContainer(field+".container", raw)
	if err != nil {
		return layer{}, err
	}
	removals, err := readRemovals(field, remove)
	return layer{field: field, removals: removals, fragment: fragment}, err
}

// found tells, of removals that may apply to several containers, whether they applied
// to one.
type found map[string]bool

// note keeps whether a removal applied; it is an *InvalidError if it had to and did not.
func (f found) note(l layer, rm removal, there bool) error {
	if !there && !l.anywhere {
		return rm.notThere()
	}
	if l.anywhere {
		f[rm.field] = f[rm.field] || there
	}
	return nil
}

// apply changes a tree of the given type.
func (l layer) apply(t tree, schema any, f found) (tree, error) {
	for _, rm := range l.removals {
		if err := f.note(l, rm, take(t, rm.steps)); err != nil {
			return nil, err
		}
	}
	if l.fragment == nil {
		return t, nil
	}
	merged, err := merge(t, l.fragment, schema)
	if err != nil {
		return nil, invalid(l.field, "cannot be merged: %v", err)
	}
	return merged, nil
}

// unfound is an *InvalidError for the first removal that applied to none.
func (f found) unfound() error {
	for _, field := range slices.Sorted(maps.Keys(f)) {
		if !f[field] {
			return invalid(field, "names what is in no container that it is about; remove only what is inherited")
		}
	}
	return nil
}
