// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"regexp"
	"slices"
)

// variable is an environment variable of a container. A value that is known
// only when the pod runs is written in angle brackets.
type variable struct{ name, value string }

// environment are the variables of a container in their order.
type environment struct {
	list []variable
	used map[string]bool
}

// readEnvironment reads the variables of a container. A value may refer to
// variables that stand before it.
func readEnvironment(items []fields) *environment {
	env := &environment{used: map[string]bool{}}
	for _, item := range items {
		name := item.text("name")
		if env.find(name) != nil {
			item.found.fail("%s: is set twice", item.at)
		}
		value := env.expand(item.text("value"))
		if from := item.child("valueFrom"); len(from.left) > 0 {
			value += source(from)
		}
		env.list = append(env.list, variable{name, value})
		item.rest()
	}
	return env
}

// source is where Kubernetes takes a value from.
func source(from fields) string {
	value := ""
	if ref := from.child("fieldRef"); len(ref.left) > 0 {
		value += "<fieldRef:" + ref.text("fieldPath") + ">"
		ref.rest()
	}
	for _, kind := range []string{"secretKeyRef", "configMapKeyRef"} {
		ref := from.child(kind)
		if len(ref.left) == 0 {
			continue
		}
		value += "<" + kind + ":" + ref.text("name") + "/" + ref.text("key")
		if ref.flag("optional") {
			value += " optional"
		}
		value += ">"
		ref.rest()
	}
	from.rest()
	return value
}

func (e *environment) find(name string) *variable {
	if i := slices.IndexFunc(e.list, func(v variable) bool { return v.name == name }); i >= 0 {
		return &e.list[i]
	}
	return nil
}

// references are $(NAME), and the two dollars that stand for one.
var references = regexp.MustCompile(`\$\$|\$\([-._a-zA-Z][-._a-zA-Z0-9]*\)`)

// expand replaces references to variables as Kubernetes does: one to an unknown
// variable stays.
func (e *environment) expand(text string) string {
	return references.ReplaceAllStringFunc(text, func(reference string) string {
		if reference == "$$" {
			return "$"
		}
		name := reference[2 : len(reference)-1]
		v := e.find(name)
		if v == nil {
			return reference
		}
		e.used[name] = true
		return v.value
	})
}

// expandAll expands each text.
func (e *environment) expandAll(texts []string) []string {
	expanded := make([]string, 0, len(texts))
	for _, text := range texts {
		expanded = append(expanded, e.expand(text))
	}
	return expanded
}

// own are the variables that are for the process itself: no argument refers to
// them, and they are not those that are injected everywhere.
func (e *environment) own(args map[string]int) map[string]string {
	own := map[string]string{}
	for _, v := range e.list {
		if !e.used[v.name] && !injected(v, args) {
			own[v.name] = v.value
		}
	}
	return own
}

// injected says whether v is a variable that every container gets, with the
// value that it gets.
func injected(v variable, args map[string]int) bool {
	switch v.name {
	case "CSI_ENDPOINT":
		path := singleBackslashes(socketPath(v.value))
		return args["--endpoint="+path] > 0 || args["--csi-address="+path] > 0
	case "KUBE_NODE_NAME":
		return v.value == "<fieldRef:spec.nodeName>"
	case "POD_NAME":
		return v.value == "<fieldRef:metadata.name>"
	case "POD_NAMESPACE":
		return v.value == "<fieldRef:metadata.namespace>"
	default:
		return false
	}
}
