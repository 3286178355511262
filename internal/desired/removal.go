// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"
)

// step is one part of a path: a field, and for an element of its list the key of that.
type step struct{ field, key string }

// mergeKey is the field by which the elements of a list are known; empty for a list
// that has none.
func mergeKey(list string) string {
	switch list {
	case "containers", "initContainers", "env", "volumes", "imagePullSecrets", "resourceClaims":
		return "name"
	case "volumeMounts":
		return "mountPath"
	case "volumeDevices":
		return "devicePath"
	case "ports":
		return "containerPort"
	case "hostAliases":
		return "ip"
	case "topologySpreadConstraints":
		return "topologyKey"
	default:
		return ""
	}
}

// parsePath reads fields that are parted by dots, with the key of an element in
// brackets and what has dots itself in quotes:
// containers[driver].env[A], nodeSelector."kubernetes.io/os". It tells whether it could.
func parsePath(path string) ([]step, bool) {
	var steps []step
	for rest := path; ; {
		s, more, ok := parseStep(rest)
		if !ok {
			return nil, false
		}
		steps = append(steps, s)
		if more == "" {
			return steps, true
		}
		if rest, ok = strings.CutPrefix(more, "."); !ok {
			return nil, false
		}
	}
}

func parseStep(text string) (s step, rest string, ok bool) {
	if quoted, found := strings.CutPrefix(text, `"`); found {
		s.field, rest, ok = strings.Cut(quoted, `"`)
	} else {
		end := strings.IndexAny(text, `.["]`)
		if end < 0 {
			end = len(text)
		}
		s.field, rest, ok = text[:end], text[end:], true
	}
	if keyed, found := strings.CutPrefix(rest, "["); found {
		s.key, rest, ok = strings.Cut(keyed, "]")
		ok = ok && s.key != ""
	}
	return s, rest, ok && s.field != ""
}

// take removes what a path names from a tree, and tells whether it was there.
func take(t tree, steps []step) bool {
	s, last := steps[0], len(steps) == 1
	value, there := t[s.field]
	switch {
	case !there:
		return false
	case s.key != "":
		return takeElement(t, s, steps[1:])
	case last:
		delete(t, s.field)
		return true
	}
	object, ok := value.(tree)
	return ok && take(object, steps[1:])
}

// takeElement removes an element of a list, or something inside of it.
func takeElement(t tree, s step, rest []step) bool {
	list := itemsOf(t[s.field])
	if s.field == "args" {
		kept := slices.DeleteFunc(slices.Clone(list), func(arg any) bool { return len(rest) == 0 && isFlag(arg, s.key) })
		t[s.field] = kept
		return len(kept) < len(list)
	}
	at := find(list, mergeKey(s.field), s.key)
	switch {
	case mergeKey(s.field) == "" || at < 0:
		return false
	case len(rest) == 0:
		t[s.field] = slices.Delete(slices.Clone(list), at, at+1)
		return true
	}
	element, ok := list[at].(tree)
	return ok && take(element, rest)
}

// isFlag tells whether an argument is the flag of that name, with dashes.
func isFlag(arg any, flag string) bool {
	text, ok := arg.(string)
	name, _, _ := strings.Cut(text, "=")
	return ok && name == flag
}
