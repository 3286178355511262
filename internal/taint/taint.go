// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package taint decides what becomes of the startup taint of a driver on a node.
//
// It is pure: what is known of a node goes in, a JSON patch comes out. The patch fails
// where the node is another one by now, or its list of taints has changed in the places
// that are touched, and it never writes the list as a whole.
package taint

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Lost is the value of a taint that the operator gave, by which it is known as such.
const Lost = "lost"

// Node is what is known of a node.
type Node struct {
	UID    types.UID
	Taints []corev1.Taint
	// Served is true where the driver works, Wanted where it should.
	Served, Wanted bool
	// Lost is true where the driver worked and has not for so long that the node gets its
	// taint back.
	Lost bool
}

// Operation is one of a JSON patch (RFC 6902).
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Decide says what is to be done with the taint of a key; nil for nothing. Where the driver
// works, it goes. Where the driver is not wanted it stays, but for one that the operator
// gave: a node that has just come may seem so for a moment.
func Decide(key string, n Node) []Operation {
	switch {
	case n.Served:
		return Clear(key, n)
	case !n.Wanted:
		return remove(n, func(t corev1.Taint) bool { return t.Key == key && t.Value == Lost })
	case n.Lost && !slices.ContainsFunc(n.Taints, of(key)):
		return add(n, corev1.Taint{Key: key, Value: Lost, Effect: corev1.TaintEffectNoSchedule})
	default:
		return nil
	}
}

// Clear takes every taint of a key off a node; nil where it has none.
func Clear(key string, n Node) []Operation { return remove(n, of(key)) }

func of(key string) func(corev1.Taint) bool {
	return func(t corev1.Taint) bool { return t.Key == key }
}

// remove takes the chosen taints off, the last one first, so that the others keep their
// places meanwhile.
func remove(n Node, chosen func(corev1.Taint) bool) []Operation {
	var patch []Operation
	for i, t := range slices.Backward(n.Taints) {
		if chosen(t) {
			path := fmt.Sprintf("/spec/taints/%d", i)
			patch = append(patch, test(path, t), Operation{Op: "remove", Path: path})
		}
	}
	if len(patch) == 0 {
		return nil
	}
	return append([]Operation{sameNode(n)}, patch...)
}

// add appends a taint to the list that was looked at, which is not there at all where a node
// has none: Kubernetes refuses a second taint of one key and effect.
func add(n Node, t corev1.Taint) []Operation {
	const list = "/spec/taints"
	if len(n.Taints) == 0 {
		return []Operation{sameNode(n), test(list, nil), {Op: "add", Path: list, Value: []corev1.Taint{t}}}
	}
	return []Operation{sameNode(n), test(list, n.Taints), {Op: "add", Path: list + "/-", Value: t}}
}

func sameNode(n Node) Operation { return test("/metadata/uid", n.UID) }

func test(path string, value any) Operation { return Operation{Op: "test", Path: path, Value: value} }
