// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// fingerprintLength is how many bytes of a SHA-256 tell one state from another.
const fingerprintLength = 8

// Fingerprint tells whether the fields that the operator applied are as they were:
// which ones it holds, their values, and the order of the list items among them.
// Fields of others do not count.
func Fingerprint(live *unstructured.Unstructured) (string, error) {
	ours, err := ownFields(live)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	order := itemOrder{}
	var failed error
	ours.Leaves().Iterate(func(path fieldpath.Path) { // not All, which cannot be left early
		if failed == nil {
			failed = write(sum, path.String(), find(live.Object, path, order))
		}
	})
	if failed != nil {
		return "", fmt.Errorf("hashing %s: %w", RefOf(live), failed)
	}
	for _, list := range order.sorted() {
		if err := write(sum, list, order[list].inOrder()); err != nil {
			return "", fmt.Errorf("hashing %s: %w", RefOf(live), err)
		}
	}
	return digest(sum), nil
}

// IntentHash identifies an intent.
func IntentHash(intent *unstructured.Unstructured) (string, error) {
	sum := sha256.New()
	if err := write(sum, "intent", intent.Object); err != nil {
		return "", fmt.Errorf("hashing the intent for %s: %w", RefOf(intent), err)
	}
	return digest(sum), nil
}

// write adds a name and a value, as JSON, whose maps are in order.
func write(sum hash.Hash, name string, v any) error {
	encoder := json.NewEncoder(sum)
	if err := encoder.Encode(name); err != nil {
		return err
	}
	return encoder.Encode(v)
}

func digest(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)[:fingerprintLength]) }

// ownFields are the fields that the operator holds by server-side apply; none if
// somebody wiped the record.
func ownFields(live *unstructured.Unstructured) (*fieldpath.Set, error) {
	return fieldsOf(live, isOurs)
}

// otherFields are the fields that anybody else holds, status apart.
func otherFields(live *unstructured.Unstructured) (*fieldpath.Set, error) {
	return fieldsOf(live, func(e metav1.ManagedFieldsEntry) bool {
		return !isOurs(e) && !inNameOnly(e) && e.Subresource == ""
	})
}

// IsApplied is true for an object of which the operator applied something, whatever its
// labels say: a copy of such an object has them too.
func IsApplied(o metav1.Object) bool { return slices.ContainsFunc(o.GetManagedFields(), isOurs) }

func isOurs(e metav1.ManagedFieldsEntry) bool {
	return e.Manager == v1alpha1.FieldOwner && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

func fieldsOf(live *unstructured.Unstructured, chosen func(metav1.ManagedFieldsEntry) bool) (*fieldpath.Set, error) {
	all := fieldpath.NewSet()
	for _, entry := range live.GetManagedFields() {
		if entry.FieldsV1 == nil || !chosen(entry) {
			continue
		}
		var fields fieldpath.Set
		if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
			return nil, fmt.Errorf("reading which fields of %s %q holds: %w", RefOf(live), entry.Manager, err)
		}
		all = all.Union(&fields)
	}
	return all, nil
}

// itemOrder collects, by list, the items that were met and where they stand.
type itemOrder map[string]positions

type positions map[string]int

func (o itemOrder) add(list fieldpath.Path, item string, at int) {
	name := list.String()
	if o[name] == nil {
		o[name] = positions{}
	}
	o[name][item] = at
}

func (o itemOrder) sorted() []string {
	lists := make([]string, 0, len(o))
	for list := range o {
		lists = append(lists, list)
	}
	slices.Sort(lists)
	return lists
}

func (p positions) inOrder() []string {
	items := make([]string, 0, len(p))
	for item := range p {
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b string) int { return p[a] - p[b] })
	return items
}

// NewRecord is the record of an intent that was just applied and of the API
// server's answer.
func NewRecord(intent, reply *unstructured.Unstructured) (Record, error) {
	hash, err := IntentHash(intent)
	if err != nil {
		return Record{}, err
	}
	fingerprint, err := Fingerprint(reply)
	if err != nil {
		return Record{}, err
	}
	return Record{Intent: hash, Live: fingerprint, UID: reply.GetUID(), Generation: reply.GetGeneration()}, nil
}
