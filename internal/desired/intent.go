// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// intent turns a typed object into the fields that it claims: what a type
// cannot leave out (status, creationTimestamp, empty structs) goes, what a
// type cannot say (a false that is not the default of a pointer) comes.
func intent(object runtime.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("converting %T: %w", object, err)
	}
	delete(fields, "status")
	prune(fields)
	dropEmptyServiceName(fields)
	claimHostNamespaces(fields)
	return &unstructured.Unstructured{Object: fields}, nil
}

// dropEmptyServiceName drops what the type of a StatefulSet cannot leave out.
func dropEmptyServiceName(fields map[string]any) {
	spec, ok := fields["spec"].(map[string]any)
	if name, given := spec["serviceName"]; ok && given && name == "" {
		delete(spec, "serviceName")
	}
}

// meansSomething are the fields whose empty object is a statement: a volume
// of the default medium, a selector of everything.
func meansSomething(field string) bool {
	switch field {
	case "emptyDir", "labelSelector", "namespaceSelector":
		return true
	default:
		return false
	}
}

// prune removes nulls and empty objects and lists from fields, inside out. It
// leaves the items of lists, whose places count.
func prune(fields map[string]any) {
	for name, value := range fields {
		switch v := value.(type) {
		case nil:
			delete(fields, name)
		case map[string]any:
			prune(v)
			if len(v) == 0 && !meansSomething(name) {
				delete(fields, name)
			}
		case []any:
			pruneItems(v)
			if len(v) == 0 {
				delete(fields, name)
			}
		}
	}
}

func pruneItems(items []any) {
	for _, item := range items {
		if fields, ok := item.(map[string]any); ok {
			prune(fields)
		}
	}
}

// claimHostNamespaces claims that pods stay out of the node's namespaces where the spec
// does not let them in, so that a foreign edit is undone.
func claimHostNamespaces(fields map[string]any) {
	pod, found, err := unstructured.NestedFieldNoCopy(fields, "spec", "template", "spec")
	if spec, ok := pod.(map[string]any); ok && found && err == nil {
		for _, field := range [...]string{"hostNetwork", "hostPID", "hostIPC"} {
			if _, given := spec[field]; !given {
				spec[field] = false
			}
		}
	}
}
