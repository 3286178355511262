// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// situations is the directory where situations are recorded; empty for not at all. The
// tests of the controllers replay them, and docs/troubleshooting.md shows them.
var situations = os.Getenv("SITUATIONS")

// tellsWithin awaits that the status tells of a fault, and records what it then looks like.
// The bound is the time that Kubernetes itself takes to notice the fault, and ten seconds.
func tellsWithin(t *testing.T, name string, bound time.Duration, d *v1alpha1.CSIDriverDeployment, check func() error) {
	t.Helper()
	started := time.Now()
	last := errors.New("the status was never read")
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, bound+10*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := refetch(ctx, d); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s is not told within %s and 10s: %v\n%s", name, bound, last, situation(t))
	}
	t.Logf("%-40s told after %4.1fs, bound %s + 10s", name, time.Since(started).Seconds(), bound)
	record(t, name, d)
}

// record writes all that the operator sees of a driver into a file, and what kubectl shows
// of it into another.
func record(t *testing.T, name string, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	if situations == "" {
		return
	}
	file := bytes.NewBufferString("time: " + time.Now().UTC().Format(time.RFC3339Nano) + "\n")
	if slices.ContainsFunc(d.Status.Sidecars, isOverdue) {
		file.WriteString("overdue: true\n")
	}
	for _, o := range seenOf(t, d) {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		file.WriteString("---\n")
		file.Write(text)
	}
	write(t, name+".in.yaml", file.Bytes())
	var shown bytes.Buffer
	for _, args := range [][]string{{"get", "csidd", d.Name}, {"describe", "csidd", d.Name}} {
		out, err := exec.CommandContext(t.Context(), shared.kubectl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
		}
		fmt.Fprintf(&shown, "$ kubectl %s\n%s", strings.Join(args, " "), out)
	}
	write(t, name+".txt", shown.Bytes())
}

// isOverdue tells whether a row says that something has taken too long.
func isOverdue(r v1alpha1.SidecarStatus) bool {
	return strings.Contains(r.Message, "kubelet has not registered") || r.State == v1alpha1.SidecarDown && strings.Contains(r.Message, " Lease ")
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(situations, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// seenOf is what the operator sees of a driver, without what it does not look at.
func seenOf(t *testing.T, d *v1alpha1.CSIDriverDeployment) []unstructured.Unstructured {
	t.Helper()
	namespace := client.InNamespace(d.Status.Namespace)
	ours := client.MatchingLabels(desired.Selector(d.Name))
	all := list(t, v1alpha1.GroupVersion.WithKind("CSIDriverDeployment"), client.MatchingFields{"metadata.name": d.Name})
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		all = append(all, list(t, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kind}, namespace, ours)...)
	}
	core, storage := corev1.SchemeGroupVersion, schema.GroupVersion{Group: "storage.k8s.io", Version: "v1"}
	all = append(all, list(t, core.WithKind("Pod"), namespace, ours)...)
	all = append(all, list(t, core.WithKind("Node"))...)
	all = append(all, list(t, storage.WithKind("CSINode"))...)
	leases := list(t, schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}, namespace)
	all = append(all, slices.DeleteFunc(leases, func(l unstructured.Unstructured) bool { return !slices.Contains(desired.Leases(d.Name), l.GetName()) })...)
	events := list(t, core.WithKind("Event"), namespace)
	all = append(all, slices.DeleteFunc(events, func(e unstructured.Unstructured) bool { return !isAbout(e, all) })...)
	for i := range all {
		shorten(&all[i])
	}
	return all
}

func list(t *testing.T, kind schema.GroupVersionKind, options ...client.ListOption) []unstructured.Unstructured {
	t.Helper()
	l := &unstructured.UnstructuredList{}
	l.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := shared.List(t.Context(), l, options...); err != nil {
		t.Fatalf("listing every %s: %v", kind.Kind, err)
	}
	return l.Items
}

func isAbout(event unstructured.Unstructured, objects []unstructured.Unstructured) bool {
	uid, _, _ := unstructured.NestedString(event.Object, "involvedObject", "uid")
	return slices.ContainsFunc(objects, func(o unstructured.Unstructured) bool { return string(o.GetUID()) == uid })
}

// shorten drops what is long and of no interest.
func shorten(o *unstructured.Unstructured) {
	o.SetManagedFields(nil)
	switch o.GetKind() {
	case "Node":
		o.SetLabels(nil)
		o.SetAnnotations(nil)
		o.Object["status"] = map[string]any{"conditions": o.Object["status"].(map[string]any)["conditions"]} //nolint:forcetypeassert // a node has a status
	case "Event":
		only(o.Object, "metadata", "name", "namespace", "creationTimestamp")
		only(o.Object, "involvedObject", "kind", "namespace", "name", "uid", "fieldPath")
		for _, field := range []string{"source", "reportingComponent", "reportingInstance", "count", "action"} {
			delete(o.Object, field)
		}
	case "Pod":
		o.SetAnnotations(nil)
		only(o.Object, "spec", "affinity", "containers", "hostNetwork", "hostname", "nodeName")
		only(o.Object, "status", "phase", "reason", "message", "conditions", "containerStatuses", "initContainerStatuses")
		eachOf(o.Object, "containers", "spec", "name", "image")
		eachOf(o.Object, "containerStatuses", "status", "name", "image", "ready", "restartCount", "started", "state", "lastState")
	case "Deployment", "StatefulSet", "DaemonSet":
		spec := o.Object["spec"].(map[string]any) //nolint:forcetypeassert // a workload has a spec
		o.Object["spec"] = map[string]any{"replicas": spec["replicas"], "selector": spec["selector"]}
		if spec["replicas"] == nil {
			delete(o.Object["spec"].(map[string]any), "replicas") //nolint:forcetypeassert // set above
		}
	}
}

// only leaves of a map in an object the named fields.
func only(object map[string]any, name string, fields ...string) {
	kept := map[string]any{}
	if all, ok := object[name].(map[string]any); ok {
		for _, field := range fields {
			if v, found := all[field]; found {
				kept[field] = v
			}
		}
	}
	object[name] = kept
}

// eachOf leaves of each element of a list in a map of an object the named fields.
func eachOf(object map[string]any, list, of string, fields ...string) {
	holder, _ := object[of].(map[string]any)
	elements, _ := holder[list].([]any)
	for i, element := range elements {
		one := map[string]any{"element": element}
		only(one, "element", fields...)
		elements[i] = one["element"]
	}
}
