// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

const componentController = v1alpha1.ComponentController

// FromObjects brings the objects that the operator renders for one driver into
// the normal form. The error tells of what no API server would accept, and of
// references that lead nowhere.
func FromObjects(objects []*unstructured.Unstructured) (Facts, error) {
	parts := make([]part, 0, len(objects))
	for _, object := range objects {
		parts = append(parts, readObject(object))
	}
	return join(parts)
}

// identity is how an object is referred to.
type identity struct{ kind, namespace, name string }

func (i identity) String() string {
	if i.namespace == "" {
		return i.kind + "/" + i.name
	}
	return i.kind + "/" + i.namespace + "/" + i.name
}

// part is what one object contributes. It is never changed, so that it can
// serve several sets.
type part struct {
	identity identity
	found    findings
	// add puts what was read into a set.
	add func(*set)
}

// head is what every object has.
type head struct {
	identity
	component   string
	labels      map[string]string
	annotations map[string]string
}

// reader reads the fields of one kind of object below its head.
type reader func(head, fields) func(*set)

// readers are the kinds that the normal form knows.
func readers() map[schema.GroupVersionKind]reader {
	return map[schema.GroupVersionKind]reader{
		{Group: "apps", Version: "v1", Kind: "DaemonSet"}:                               readWorkload,
		{Group: "apps", Version: "v1", Kind: "Deployment"}:                              readWorkload,
		{Group: "apps", Version: "v1", Kind: "StatefulSet"}:                             readWorkload,
		{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}:                   readBudget,
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}:        readRole,
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"}: readBinding,
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"}:               readRole,
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"}:        readBinding,
		{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshotClass"}:  readSnapshotClass,
		{Group: "storage.k8s.io", Version: "v1", Kind: "CSIDriver"}:                     readCSIDriver,
		{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"}:                  readStorageClass,
		{Version: "v1", Kind: "ServiceAccount"}:                                         readAccount,
	}
}

// readObject reads one object on its own.
func readObject(object *unstructured.Unstructured) part {
	content := runtime.DeepCopyJSON(object.Object)
	canonical(content)
	p := part{found: findings{beyond: map[string]string{}}}
	f := fields{left: content, found: &p.found}
	kind := schema.FromAPIVersionAndKind(f.text("apiVersion"), f.text("kind"))
	h := readHead(kind.Kind, &f)
	p.identity = h.identity
	if read, known := readers()[kind]; known {
		p.add = read(h, f)
	} else {
		p.add = readOther(h, kind, f)
	}
	f.rest()
	return p
}

// readHead reads the metadata of an object and names its fields after what does
// not depend on how the operator makes names: kind and component.
func readHead(kind string, f *fields) head {
	metadata := f.child("metadata")
	h := head{
		identity:    identity{kind, metadata.text("namespace"), metadata.text("name")},
		labels:      metadata.words("labels"),
		annotations: metadata.words("annotations"),
	}
	h.component = h.labels[v1alpha1.LabelComponent]
	f.at = kind + "/" + cmp.Or(h.component, h.name)
	metadata.at = f.path("metadata")
	metadata.rest()
	if h.name == "" {
		f.found.fail("%s: has no name", f.at)
	}
	return h
}

// set is everything that was read of a driver.
type set struct {
	facts     Facts
	found     findings
	workloads map[string]workload
	accounts  map[identity]serviceAccount
	roles     map[identity][]string
	bindings  []binding
	budgets   []budget
}

// join puts parts together and follows the references between them.
func join(parts []part) (Facts, error) {
	s := &set{
		facts: Facts{
			CSIDrivers:      map[string]map[string]any{},
			Other:           map[string]int{},
			Rights:          map[string][]string{},
			StorageClasses:  map[string]map[string]any{},
			SnapshotClasses: map[string]map[string]any{},
			Workloads:       map[string]Workload{},
			Tokens:          map[string]bool{},
			Leases:          map[string][]string{},
			Beyond:          map[string]string{},
		},
		workloads: map[string]workload{},
		accounts:  map[identity]serviceAccount{},
		roles:     map[identity][]string{},
	}
	there := map[identity]bool{}
	for _, p := range parts {
		if there[p.identity] {
			s.found.fail("%s: is there twice", p.identity)
		}
		there[p.identity] = true
		s.found.errs = append(s.found.errs, p.found.errs...)
		maps.Copy(s.facts.Beyond, p.found.beyond)
		p.add(s)
	}
	s.linkSelectors()
	s.linkAccounts()
	s.linkBudgets()
	slices.SortFunc(s.found.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	if err := errors.Join(s.found.errs...); err != nil {
		return Facts{}, fmt.Errorf("reading the objects: %w", err)
	}
	return s.facts, nil
}
