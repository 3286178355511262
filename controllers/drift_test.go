// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// The objects of a driver that are edited, by what TestForeignEdits calls them.
const (
	controllerOf = "Deployment"
	nodeOf       = "DaemonSet"
)

// drift is what somebody else does to one of our objects, and what must come of it.
type drift struct {
	kind string
	// patch is a JSON patch. "@" in a path stands for /spec/template/spec.
	patch string
	// writes of the operator; 0: the edit is left.
	writes int
	// kept says that the edit stays beside what is healed.
	kept bool
	// anew says that the object is another one afterwards.
	anew bool
	// foreign is what status lists for the object, "@." as above.
	foreign []string
}

func replace(path string, value any) string { return operation("replace", path, value) }

func add(path string, value any) string { return operation("add", path, value) }

func operation(op, path string, value any) string {
	text, err := json.Marshal([]map[string]any{{"op": op, "path": path, "value": value}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func take(path string) string { return fmt.Sprintf(`[{"op":"remove","path":%q}]`, path) }

// drifts are what people and tools do to objects that are not theirs.
func drifts() map[string]drift {
	extra := map[string]any{"name": "injected", "image": "example.com/injected:v1"}
	return map[string]drift{
		"Image":           {kind: controllerOf, patch: replace("@/containers/0/image", "example.com/other:v9"), writes: 1},
		"ImageOfASidecar": {kind: nodeOf, patch: replace("@/containers/1/image", "example.com/other:v9"), writes: 1},
		"PullPolicy":      {kind: controllerOf, patch: replace("@/containers/0/imagePullPolicy", "Always"), writes: 1},
		"Budget":          {kind: "PodDisruptionBudget", patch: replace("/spec/maxUnavailable", 7), writes: 1},
		"Replicas":        {kind: controllerOf, patch: replace("/spec/replicas", 7), writes: 1},
		"ArgsReplaced":    {kind: controllerOf, patch: replace("@/containers/1/args", []string{"--v=9"}), writes: 1},
		"ArgAdded":        {kind: nodeOf, patch: add("@/containers/0/args/-", "--v=9"), writes: 1},
		"EnvChanged":      {kind: controllerOf, patch: replace("@/containers/0/env/0/value", "unix:///tmp/x"), writes: 1},
		"EnvAdded":        {kind: controllerOf, patch: add("@/containers/0/env/-", map[string]any{"name": "HTTP_PROXY", "value": "p"}), foreign: []string{"@.containers[driver].env[HTTP_PROXY]"}},
		"EnvRemoved":      {kind: controllerOf, patch: take("@/containers/0/env/1"), writes: 1},
		"EnvSwitched":     {kind: controllerOf, patch: replace("@/containers/0/env/1", map[string]any{"name": "KUBE_NODE_NAME", "value": "x"}), writes: 4},
		"ProbeBesideForeignEnv": {kind: controllerOf, patch: `[{"op":"add","path":"@/containers/0/env/-","value":{"name":"PROXY","value":"p"}},
			{"op":"replace","path":"@/containers/0/livenessProbe","value":{"exec":{"command":["true"]}}}]`, writes: 4, kept: true, foreign: []string{"@.containers[driver].env[PROXY]"}},
		"Command":                 {kind: controllerOf, patch: add("@/containers/0/command", []string{"/bin/sh"}), foreign: []string{"@.containers[driver].command"}},
		"HostNetwork":             {kind: controllerOf, patch: add("@/hostNetwork", true), writes: 1},
		"HostPID":                 {kind: nodeOf, patch: add("@/hostPID", true), writes: 1},
		"ProbeChanged":            {kind: controllerOf, patch: replace("@/containers/0/livenessProbe/httpGet/path", "/x"), writes: 1},
		"ProbeRemoved":            {kind: controllerOf, patch: take("@/containers/0/livenessProbe"), writes: 1},
		"ProbeSwitched":           {kind: controllerOf, patch: replace("@/containers/0/livenessProbe", map[string]any{"exec": map[string]any{"command": []string{"true"}}}), writes: 4},
		"SecurityContext":         {kind: controllerOf, patch: replace("@/containers/0/securityContext/readOnlyRootFilesystem", false), writes: 1},
		"SecurityContextRemoved":  {kind: controllerOf, patch: take("@/containers/1/securityContext"), writes: 1},
		"VolumeSwitched":          {kind: controllerOf, patch: replace("@/volumes/0", map[string]any{"name": "socket", "configMap": map[string]any{"name": "x"}}), writes: 4},
		"HostPathMoved":           {kind: nodeOf, patch: replace("@/volumes/0/hostPath/path", "/tmp/x"), writes: 1},
		"VolumeAdded":             {kind: nodeOf, patch: add("@/volumes/-", map[string]any{"name": "extra", "emptyDir": map[string]any{}}), foreign: []string{"@.volumes[extra]"}},
		"MountPropagation":        {kind: controllerOf, patch: replace("@/containers/0/volumeMounts/1/mountPropagation", "None"), writes: 1},
		"MountRemoved":            {kind: controllerOf, patch: take("@/containers/0/volumeMounts/1"), writes: 1},
		"ContainerAdded":          {kind: controllerOf, patch: add("@/containers/-", extra), foreign: []string{"@.containers[injected]"}},
		"InitContainerAdded":      {kind: nodeOf, patch: add("@/initContainers", []any{extra}), foreign: []string{"@.initContainers"}},
		"ContainerRemoved":        {kind: controllerOf, patch: take("@/containers/1"), writes: 1},
		"ContainerRenamed":        {kind: controllerOf, patch: replace("@/containers/1/name", "renamed"), writes: 1, kept: true, foreign: []string{"@.containers[renamed]"}},
		"ContainerOrder":          {kind: controllerOf, patch: `[{"op":"move","from":"@/containers/0","path":"@/containers/2"}]`, writes: 1},
		"Resources":               {kind: controllerOf, patch: replace("@/containers/0/resources/requests/cpu", "2"), writes: 1},
		"LimitAdded":              {kind: controllerOf, patch: add("@/containers/0/resources/limits", map[string]any{"memory": "1Gi"}), foreign: []string{"@.containers[driver].resources.limits"}},
		"ServiceAccountName":      {kind: controllerOf, patch: replace("@/serviceAccountName", "default"), writes: 1},
		"PriorityClass":           {kind: nodeOf, patch: replace("@/priorityClassName", "system-cluster-critical"), writes: 1},
		"Tolerations":             {kind: nodeOf, patch: replace("@/tolerations", []any{map[string]any{"key": "a", "operator": "Exists"}}), writes: 1},
		"NodeSelectorAdded":       {kind: nodeOf, patch: add("@/nodeSelector/disk", "ssd"), writes: 1},
		"Strategy":                {kind: controllerOf, patch: replace("/spec/strategy/rollingUpdate/maxSurge", 1), writes: 1},
		"UpdateStrategy":          {kind: nodeOf, patch: replace("/spec/updateStrategy", map[string]any{"type": "OnDelete"}), writes: 1},
		"OurLabelChanged":         {kind: controllerOf, patch: replace("/metadata/labels/app.kubernetes.io~1name", "x"), writes: 1},
		"OurLabelsRemoved":        {kind: nodeOf, patch: take("/metadata/labels"), writes: 1},
		"OwnerLabelOfTheDriver":   {kind: "CSIDriver", patch: take("/metadata/labels/csi-operator.io~1deployment"), writes: 1},
		"OwnerLabelOfAClass":      {kind: "StorageClass", patch: take("/metadata/labels"), writes: 1},
		"LabelAdded":              {kind: controllerOf, patch: add("/metadata/labels/team", "storage")},
		"AnnotationAdded":         {kind: controllerOf, patch: add("/metadata/annotations/note", "x")},
		"OurAnnotationChanged":    {kind: controllerOf, patch: replace("/metadata/annotations/csi-operator.io~1deployment-uid", "x"), writes: 1},
		"RestartedAt":             {kind: controllerOf, patch: add("/spec/template/metadata/annotations", map[string]any{"kubectl.kubernetes.io/restartedAt": "now"}), foreign: []string{`spec.template.metadata.annotations`}},
		"FinalizerAdded":          {kind: nodeOf, patch: add("/metadata/finalizers", []string{"example.com/mine"})},
		"Rules":                   {kind: "ClusterRole", patch: replace("/rules", []any{}), writes: 1},
		"RuleAdded":               {kind: "ClusterRole", patch: add("/rules/-", map[string]any{"apiGroups": []string{""}, "resources": []string{"pods"}, "verbs": []string{"get"}}), writes: 1},
		"AggregationRule":         {kind: "ClusterRole", patch: add("/aggregationRule", map[string]any{"clusterRoleSelectors": []any{map[string]any{"matchLabels": map[string]any{"a": "b"}}}}), writes: 2, anew: true},
		"RulesOfTheRole":          {kind: "Role", patch: take("/rules/0"), writes: 1},
		"Subjects":                {kind: "ClusterRoleBinding", patch: replace("/subjects", []any{}), writes: 1},
		"SubjectAdded":            {kind: "RoleBinding", patch: add("/subjects/-", map[string]any{"kind": "ServiceAccount", "name": "x", "namespace": "y"}), writes: 1},
		"Automount":               {kind: "ServiceAccount", patch: replace("/automountServiceAccountToken", false), writes: 1},
		"PullSecretAdded":         {kind: "ServiceAccount", patch: add("/imagePullSecrets", []any{map[string]any{"name": "s"}}), foreign: []string{"imagePullSecrets"}},
		"PodInfoOnMount":          {kind: "CSIDriver", patch: replace("/spec/podInfoOnMount", true), writes: 1},
		"FSGroupPolicy":           {kind: "CSIDriver", patch: replace("/spec/fsGroupPolicy", "None"), writes: 1},
		"StorageCapacity":         {kind: "CSIDriver", patch: replace("/spec/storageCapacity", true), writes: 1},
		"TokenRequests":           {kind: "CSIDriver", patch: add("/spec/tokenRequests", []any{map[string]any{"audience": "a"}}), foreign: []string{"spec.tokenRequests"}},
		"Expansion":               {kind: "StorageClass", patch: replace("/allowVolumeExpansion", false), writes: 1},
		"MountOptions":            {kind: "StorageClass", patch: add("/mountOptions", []string{"noatime"}), foreign: []string{"mountOptions"}},
		"DefaultClass":            {kind: "StorageClass", patch: add("/metadata/annotations/storageclass.kubernetes.io~1is-default-class", "true")},
		"ManagedFieldsWiped":      {kind: controllerOf, patch: replace("/metadata/managedFields", []any{map[string]any{}}), writes: 2},
		"ManagedFieldsOfTheClass": {kind: "StorageClass", patch: replace("/metadata/managedFields", []any{map[string]any{}}), writes: 2},
		"ManagedFieldsOfTheRole":  {kind: "ClusterRole", patch: replace("/metadata/managedFields", []any{map[string]any{}}), writes: 2},
	}
}

// TestForeignEdits: what we claim is healed by as few writes as there can be, what
// we do not claim stays and is told where it is part of the spec.
func TestForeignEdits(t *testing.T) {
	for name, tc := range drifts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := installed(t)
			awaitCalm(t, cluster.operator, d)
			sent := len(requests(cluster.operator, d))
			before, edited := edit(t, d, tc)
			if tc.writes > 0 {
				await(t, "healed", func() error {
					if done := childWrites(requests(cluster.operator, d)[sent:], d); len(done) < tc.writes {
						return fmt.Errorf("%d of %d writes so far", len(done), tc.writes)
					}
					return healed(t, before, tc)
				})
			}
			if tc.writes == 0 {
				awaitShown(t, edited)
			}
			await(t, "status tells", func() error { return tells(t, d, before, tc.foreign) })
			awaitCalm(t, cluster.operator, d)
			if err := tells(t, d, before, tc.foreign); err != nil { // it may have told it already before
				t.Error(err)
			}
			if writes := childWrites(requests(cluster.operator, d)[sent:], d); len(writes) != tc.writes {
				t.Errorf("%d writes, want %d: %q", len(writes), tc.writes, writes)
			}
			now := objectOf(t, d, tc.kind)
			if entries, shared := plan.SoleOwner(now); shared {
				t.Errorf("the operator shares what it applied: %v", entries)
			}
			if tc.writes == 0 && content(now) != content(edited) {
				t.Errorf("the edit was not left: -edited, +now:\n%s", cmp.Diff(edited.Object, now.Object))
			}
			wake(t, cluster.operator, d)
			if writes := childWrites(requests(cluster.operator, d)[sent:], d); len(writes) != tc.writes {
				t.Errorf("one more reconcile wrote again: %q", writes)
			}
		})
	}
}

// edit does to a driver's object what a drift says, and returns the object as it was and
// as it is then.
func edit(t *testing.T, d *v1alpha1.CSIDriverDeployment, tc drift) (before, edited *unstructured.Unstructured) {
	t.Helper()
	before = objectOf(t, d, tc.kind)
	edited = before.DeepCopy()
	patch := strings.ReplaceAll(tc.patch, "@/", "/spec/template/spec/")
	if err := cluster.Patch(t.Context(), edited, client.RawPatch(types.JSONPatchType, []byte(patch)), client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
	return before, edited
}

// objectOf reads the object of a kind, of the controller where both parts have one.
func objectOf(t *testing.T, d *v1alpha1.CSIDriverDeployment, kind string) *unstructured.Unstructured {
	t.Helper()
	name := desired.NamesOf(d.Name)
	for _, u := range owned(t, d.Name) {
		if u.GetKind() == kind && u.GetName() != name.Node || u.GetKind() == kind && kind == nodeOf {
			return &u
		}
	}
	t.Fatalf("no %s of %s", kind, d.Name)
	return nil
}

// healed compares what is there with what was; more than that may be there where
// something is kept.
func healed(t *testing.T, before *unstructured.Unstructured, tc drift) error {
	t.Helper()
	now, err := reread(t, *before)
	if err != nil {
		return err
	}
	if (now.GetUID() != before.GetUID()) != tc.anew {
		return fmt.Errorf("uid %s was %s", now.GetUID(), before.GetUID())
	}
	if tc.kept {
		fingerprint, err := plan.Fingerprint(now)
		if err != nil {
			return err
		}
		if want, err := plan.Fingerprint(before); err != nil || fingerprint != want {
			return fmt.Errorf("what is ours differs: %s, want %s, %w", fingerprint, want, err)
		}
		return nil
	}
	if content(now) != content(before) {
		return fmt.Errorf("-want, +got:\n%s", cmp.Diff(content(before), content(now)))
	}
	return nil
}

// content is all that people see of an object, as text.
func content(u *unstructured.Unstructured) string {
	seen := u.DeepCopy()
	delete(seen.Object, "status")
	seen.SetManagedFields(nil)
	seen.SetResourceVersion("")
	seen.SetGeneration(0)
	seen.SetUID("")
	unstructured.RemoveNestedField(seen.Object, "metadata", "creationTimestamp")
	annotations := seen.GetAnnotations()
	delete(annotations, "deprecated.daemonset.template.generation") // counts changes
	seen.SetAnnotations(annotations)
	text, err := json.Marshal(seen.Object)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// tells compares the foreign fields in status.
func tells(t *testing.T, d *v1alpha1.CSIDriverDeployment, about *unstructured.Unstructured, want []string) error {
	t.Helper()
	for _, o := range refresh(t, d).Status.Objects {
		if o.Kind != about.GetKind() || o.Name != about.GetName() {
			continue
		}
		var expected []string
		for _, field := range want {
			expected = append(expected, strings.ReplaceAll(field, "@.", "spec.template.spec."))
		}
		if diff := cmp.Diff(expected, o.ForeignFields, cmpopts.EquateEmpty()); diff != "" {
			return fmt.Errorf("foreignFields: -want, +got:\n%s", diff)
		}
		if o.State != v1alpha1.ObjectApplied {
			return fmt.Errorf("state is %s", o.State)
		}
		return nil
	}
	return fmt.Errorf("status lists no %s %s", about.GetKind(), about.GetName())
}

// childWrites are the requests that change an object of a driver, its own status
// and reads apart.
func childWrites(sent []string, d *v1alpha1.CSIDriverDeployment) []string {
	return slices.DeleteFunc(slices.Clone(sent), func(s string) bool {
		return strings.HasPrefix(s, "GET ") || strings.Contains(s, "/csidriverdeployments/"+d.Name)
	})
}
