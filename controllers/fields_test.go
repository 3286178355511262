// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// row is what comes of one edit of one field.
type row struct {
	// value that the field gets, as YAML.
	value string
	// want are the objects that change, as kind/component, with a minus where one goes. A
	// DaemonSet of which not the template changes has a star.
	want []string
	// partly says that the API server refuses some of the objects, which stay as they were.
	partly bool
	// elsewhere names the test that edits the field, where this one cannot.
	elsewhere string
}

func changes(value string, want ...string) row { return row{value: value, want: want} }

func changesPartly(value string, want ...string) row {
	return row{value: value, want: want, partly: true}
}

func elsewhere(test string) row { return row{elsewhere: test} }

// Objects of the driver that is edited.
const (
	ofController = "Deployment/controller"
	ofNode       = "DaemonSet/node"
	ofOther      = "DaemonSet/other"
)

// edited is a driver with every sidecar, two pools and a class.
const edited = `
source: Custom
capabilities:
- Identity/GROUP_CONTROLLER_SERVICE
- Controller/CREATE_DELETE_VOLUME
- Controller/PUBLISH_UNPUBLISH_VOLUME
- Controller/EXPAND_VOLUME
- Controller/CREATE_DELETE_SNAPSHOT
- Controller/GET_CAPACITY
- Controller/LIST_VOLUMES
- Controller/VOLUME_CONDITION
csiDriver: {attachRequired: true}
driver: {image: "registry.example.com/d:v1"}
controller:
  replicas: 1
  podDisruptionBudget: {maxUnavailable: 1}
nodes:
- name: node
  pod: {nodeSelector: {pool: a}}
- name: other
  pod: {nodeSelector: {pool: b}}
sidecars:
  snapshotter: {enabled: true}
storageClasses:
- name: CLASS
volumeSnapshotClasses:
- name: CLASS
volumeGroupSnapshotClasses:
- name: CLASS
volumeAttributesClasses:
- name: CLASS
  parameters: {a: b}
`

// table has a row for each field but those of sidecars and driver containers, which
// repeat: see rowOf.
func table() map[string]row {
	workloads := []string{ofController, ofNode, ofOther}
	rights := []string{"ClusterRole/controller"}
	return map[string]row{
		"managementState": elsewhere("TestPlanOnly, TestUnmanaged"),
		"namespace":       elsewhere("TestUpdate"),
		"source":          elsewhere("TestUpdate"),
		"bundled.mode":    elsewhere("TestUpdate"),
		"bundled.path":    elsewhere("TestUpdate"),
		"layout":          elsewhere("TestFieldsThatReplace"),
		"pod":             changes("{terminationGracePeriodSeconds: 77}", workloads...),
		"capabilities": changes("[Identity/GROUP_CONTROLLER_SERVICE, Controller/CREATE_DELETE_VOLUME, Controller/PUBLISH_UNPUBLISH_VOLUME, Controller/CREATE_DELETE_SNAPSHOT, Controller/GET_CAPACITY, Controller/LIST_VOLUMES, Controller/VOLUME_CONDITION]",
			ofController, "ClusterRole/controller", "Role/controller"),
		"csiDriver":       changes("{attachRequired: true, podInfoOnMount: true}", "CSIDriver/"),
		"kubeletRootDir":  changes("/data/kubelet", ofNode, ofOther),
		"storageCapacity": changes("true", ofController, "CSIDriver/", "Role/controller"),

		"images.registry":         changes("mirror.example.com", workloads...),
		"images.pullPolicy":       changes("Always", workloads...),
		"images.pullSecrets.name": changes("[{name: mirror}]", workloads...),

		"rollout.strategy":       changes("OnDelete", ofNode+"*", ofOther+"*"),
		"rollout.maxUnavailable": changes("3", ofNode+"*", ofOther+"*"),

		// The controller pods tolerate it; node pods tolerate everything.
		"startupTaint.enabled": changes("true", ofController),
		"startupTaint.key":     elsewhere("TestTaintsAreCleanedUp"),
		"startupTaint.retaint": elsewhere("TestRetaint"),

		"rbac.controller":          changes(`[{apiGroups: [""], resources: [namespaces], verbs: [list]}]`, rights...),
		"rbac.controllerNamespace": changes(`[{apiGroups: [""], resources: [pods], verbs: [get]}]`, "Role/controller"),
		"rbac.node": changes(`[{apiGroups: [""], resources: [pods], verbs: [get]}]`, "ServiceAccount/node", "ServiceAccount/other",
			"ClusterRole/node", "ClusterRole/other", "ClusterRoleBinding/node", "ClusterRoleBinding/other"),
		"rbac.nodeNamespace": changes(`[{apiGroups: [""], resources: [pods], verbs: [get]}]`, "ServiceAccount/node", "ServiceAccount/other",
			"Role/node", "Role/other", "RoleBinding/node", "RoleBinding/other"),

		"controller.disabled":                                       elsewhere("TestFieldsThatReplace"),
		"controller.kind":                                           elsewhere("TestChangeOfKind"),
		"controller.replicas":                                       changes("2", ofController),
		"controller.strategy.type":                                  changes("Recreate", ofController),
		"controller.strategy.maxUnavailable":                        changes("2", ofController),
		"controller.strategy.maxSurge":                              changes("1", ofController),
		"controller.podDisruptionBudget.disabled":                   changes("true", "-PodDisruptionBudget/controller"),
		"controller.podDisruptionBudget.maxUnavailable":             changes("2", "PodDisruptionBudget/controller"),
		"controller.podDisruptionBudget.minAvailable":               elsewhere("TestFieldsThatReplace"),
		"controller.podDisruptionBudget.unhealthyPodEvictionPolicy": changes("IfHealthyBudget", "PodDisruptionBudget/controller"),
		"controller.kubeletMounts.path":                             changes("[{path: pods}]", ofController),
		"controller.kubeletMounts.type":                             changes("[{path: pods, type: DirectoryOrCreate}]", ofController),

		"nodes.name":                   elsewhere("TestFieldsThatReplace"),
		"nodes.os":                     changes("windows", ofNode),
		"nodes.kubeletRootDir":         changes("/data/kubelet", ofNode),
		"nodes.kubeletMounts.path":     changes("[{path: pods}]", ofNode),
		"nodes.kubeletMounts.type":     changes("[{path: pods, type: DirectoryOrCreate}, {path: plugins}]", ofNode),
		"nodes.rollout.strategy":       changes("OnDelete", ofNode+"*"),
		"nodes.rollout.maxUnavailable": changes("3", ofNode+"*"),

		"storageClasses.name":                 elsewhere("TestFieldsThatReplace"),
		"storageClasses.default":              changes("true", "StorageClass/"),
		"storageClasses.parameters":           elsewhere("TestFieldsThatReplace"),
		"storageClasses.mountOptions":         changes("[noatime]", "StorageClass/"),
		"storageClasses.reclaimPolicy":        elsewhere("TestFieldsThatReplace"),
		"storageClasses.volumeBindingMode":    elsewhere("TestFieldsThatReplace"),
		"storageClasses.allowVolumeExpansion": changes("true", "StorageClass/"),
		"storageClasses.allowedTopologies":    changes("[{matchLabelExpressions: [{key: zone, values: [a]}]}]", "StorageClass/"),
		// The parameters of a class cannot be changed; who may read the Secret follows.
		"storageClasses.secrets.default":           changesPartly("{name: s, namespace: ns}", rights...),
		"storageClasses.secrets.provisioner":       changesPartly("{name: s, namespace: ns}", rights...),
		"storageClasses.secrets.controllerPublish": changesPartly("{name: s, namespace: ns}", rights...),
		"storageClasses.secrets.nodeStage":         changesPartly("{name: s, namespace: ns}"),
		"storageClasses.secrets.nodePublish":       changesPartly("{name: s, namespace: ns}"),
		"storageClasses.secrets.controllerExpand":  changesPartly("{name: s, namespace: ns}", rights...),
		"storageClasses.secrets.nodeExpand":        changesPartly("{name: s, namespace: ns}"),
		"storageClasses.secrets.controllerModify":  changesPartly("{name: s, namespace: ns}", rights...),

		"volumeSnapshotClasses.name":                             elsewhere("TestLateKinds"),
		"volumeSnapshotClasses.default":                          elsewhere("TestLateKinds"),
		"volumeSnapshotClasses.deletionPolicy":                   elsewhere("TestLateKinds"),
		"volumeSnapshotClasses.parameters":                       elsewhere("TestLateKinds"),
		"volumeSnapshotClasses.secrets.snapshotter":              changes("{name: s, namespace: ns}", rights...),
		"volumeSnapshotClasses.secrets.snapshotterList":          changes("{name: s, namespace: ns}", rights...),
		"volumeGroupSnapshotClasses.name":                        elsewhere("TestLateKinds"),
		"volumeGroupSnapshotClasses.default":                     elsewhere("TestLateKinds"),
		"volumeGroupSnapshotClasses.deletionPolicy":              elsewhere("TestLateKinds"),
		"volumeGroupSnapshotClasses.parameters":                  elsewhere("TestLateKinds"),
		"volumeGroupSnapshotClasses.secrets.groupSnapshotter":    changes("{name: s, namespace: ns}", rights...),
		"volumeGroupSnapshotClasses.secrets.groupSnapshotterGet": changes("{name: s, namespace: ns}", rights...),
		"volumeAttributesClasses.name":                           elsewhere("TestLateKinds"),
		"volumeAttributesClasses.parameters":                     elsewhere("TestLateKinds"),
	}
}

// partRows are the fields that controller and pools share.
func partRows(workload, component string) map[string]row {
	return map[string]row{
		"socket.dir":                changes("/run/x", workload),
		"socket.file":               changes("x.sock", workload),
		"socket.mountPath":          changes("/run/x", workload),
		"pod":                       changes("{nodeSelector: {pool: a}, terminationGracePeriodSeconds: 77}", workload),
		"workloadName":              elsewhere("TestFieldsThatReplace"),
		"selectorLabels":            elsewhere("TestFieldsThatReplace"),
		"serviceAccountName":        elsewhere("TestFieldsThatReplace"),
		"serviceAccountAnnotations": changes("{a: b}", "ServiceAccount/"+component),
	}
}

// driverValues are the fields of a driver container.
func driverValues() map[string]string {
	return map[string]string{
		"image": "registry.example.com/d:v2", "args": "[--x]", "env": "[{name: A, value: b}]", "injectEnv": "false",
		"envFrom": "[{configMapRef: {name: c}}]", "resources": "{requests: {cpu: 20m}}", "ports": "[{containerPort: 1234}]",
		"container": "{workingDir: /x}", "remove": "[livenessProbe]",
	}
}

// sidecarValues are the fields of a sidecar.
func sidecarValues() map[string]string {
	return map[string]string{
		"image": "registry.example.com/s:v9", "version": "v9.9.9", "timeout": "77s", "featureGates": "{AllAlpha: false}",
		"leaderElection.leaseDuration": "77s", "leaderElection.renewDeadline": "12s", "leaderElection.retryPeriod": "3s",
		"extraArgs": "[--http-endpoint=:7777]", "resources": "{requests: {cpu: 20m}}", "socketMountPath": "/run/y",
		"container": "{workingDir: /x}", "remove": "[resources]",
	}
}

// healthMonitorValues are versions that ask for the same capabilities.
func healthMonitorValues() map[string]string {
	return map[string]string{"image": "registry.example.com/s:v0.17.0", "version": "v0.17.0"}
}

// rowOf finds the row of a field.
func rowOf(path string) (row, bool) {
	if r, ok := table()[path]; ok {
		return r, true
	}
	workloads, rest, component := []string{ofController, ofNode, ofOther}, path, ""
	if below, found := strings.CutPrefix(path, "controller."); found {
		workloads, rest, component = []string{ofController}, below, "controller"
	}
	if below, found := strings.CutPrefix(path, "nodes."); found {
		workloads, rest, component = []string{ofNode}, below, "node"
	}
	if r, ok := partRows(workloads[0], component)[rest]; ok && component != "" {
		return r, true
	}
	if field, found := strings.CutPrefix(rest, "driver."); found {
		value, known := driverValues()[field]
		return row{value: value, want: workloads}, known
	}
	if field, found := strings.CutPrefix(rest, "sidecars."); found {
		return sidecarRow(field, workloads, component)
	}
	return row{}, false
}

// sidecarRow is a field of sidecars, of all workloads or of those of one component.
func sidecarRow(field string, workloads []string, component string) (row, bool) {
	role, field, _ := strings.Cut(field, ".")
	switch role {
	case "defaults":
		value, known := map[string]string{
			"logLevel": "7", "resources": "{requests: {cpu: 20m}}", "container": "{workingDir: /x}", "remove": "[resources]",
		}[field]
		return row{value: value, want: workloads}, known
	case "nodeDriverRegistrar":
		workloads = slices.DeleteFunc(slices.Clone(workloads), func(w string) bool { return w == ofController })
	case "livenessProbe":
	default:
		workloads = slices.DeleteFunc(slices.Clone(workloads), func(w string) bool { return w != ofController })
	}
	value, known := sidecarValues()[field]
	if of, other := healthMonitorValues()[field]; other && role == "healthMonitor" {
		value = of
	}
	elects := role != "nodeDriverRegistrar" && role != "livenessProbe"
	switch {
	case field == "enabled":
		return row{value: "false", want: withRights(workloads, elects)}, true
	case field == "placement" && component == "" && (role == "provisioner" || role == "snapshotter"):
		return elsewhere("TestFieldsThatReplace"), true
	case field == "placement": // refused: it is the only place, or set in spec.sidecars
		return row{value: "Node", want: nil}, true
	case field == "leaderElection.enabled" && elects:
		return row{value: "false", want: append(slices.Clone(workloads), roleIf(workloads)...)}, true
	case field == "leaderElection.enabled":
		return row{value: "false", want: nil}, true
	case strings.HasPrefix(field, "leaderElection.") && !elects:
		return row{value: value, want: nil}, known
	case field == "featureGates" && role != "provisioner" && role != "attacher" && role != "resizer" && role != "snapshotter":
		return row{value: value, want: nil}, known // refused: it has no gates
	}
	return row{value: value, want: workloads}, known
}

func withRights(workloads []string, elects bool) []string {
	if !elects || len(workloads) == 0 {
		return workloads
	}
	return append(slices.Clone(workloads), "ClusterRole/controller", "Role/controller")
}

func roleIf(workloads []string) []string {
	if len(workloads) == 0 {
		return nil
	}
	return []string{"Role/controller"}
}

// fieldsOf lists the fields of our own types below one, and stops at others'.
func fieldsOf(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[v1alpha1.CSIDriverDeployment]().PkgPath() || t.Name() == "SecretReference" {
		return []string{path}
	}
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		below := strings.TrimPrefix(path+"."+name, ".")
		if name == "" { // inline
			below = path
		}
		all = append(all, fieldsOf(f.Type, below)...)
	}
	return all
}

// TestEveryFieldHasItsRow: a new field needs one.
func TestEveryFieldHasItsRow(t *testing.T) {
	fields := fieldsOf(reflect.TypeFor[v1alpha1.CSIDriverDeploymentSpec](), "")
	tests := testsIn(t, ".", "../api/v1alpha1")
	for _, path := range fields {
		r, known := rowOf(path)
		if !known {
			t.Errorf("no row tells what an edit of %s changes", path)
		}
		for name := range strings.SplitSeq(r.elsewhere, ", ") {
			if _, replaces := replacing()[path]; name != "" && !tests[name] || name == "TestFieldsThatReplace" && !replaces {
				t.Errorf("%s edits %s, it is said", name, path)
			}
		}
	}
	for path := range table() {
		if !slices.Contains(fields, path) {
			t.Errorf("%s has a row and is no field", path)
		}
	}
	if len(fields) < 400 {
		t.Errorf("%d fields are too few to be all", len(fields))
	}
}

// testsIn are the names of the tests of packages.
func testsIn(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("tests in %s: %q, %v", folder, files, err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, declared := range parsed.Decls {
				if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil {
					tests[f.Name.Name] = true
				}
			}
		}
	}
	return tests
}

// lanes is how many drivers the fields are edited in at once.
const lanes = 8

// TestEveryFieldChangesWhatItShould edits every field once on a living object, and takes it
// back with the next edit.
func TestEveryFieldChangesWhatItShould(t *testing.T) {
	fields := fieldsOf(reflect.TypeFor[v1alpha1.CSIDriverDeploymentSpec](), "")
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			d := installed(t, func(d *v1alpha1.CSIDriverDeployment) {
				spec := strings.ReplaceAll(edited, "CLASS", d.Name)
				if err := yaml.UnmarshalStrict([]byte(spec), &d.Spec); err != nil {
					t.Fatal(err)
				}
				d.Spec.Bundled = nil
			})
			rollOut(t, d)
			awaitCalm(t, cluster.operator, d)
			e := editor{d: d, unedited: refresh(t, d).Spec, before: specsOf(t, d)}
			for i, path := range fields {
				if r, _ := rowOf(path); i%lanes == lane && r.elsewhere == "" {
					e.edit(t, path, r)
				}
			}
			e.restore(t)
		})
	}
}

// editor edits a driver, and knows what it and its objects were before.
type editor struct {
	d        *v1alpha1.CSIDriverDeployment
	unedited v1alpha1.CSIDriverDeploymentSpec
	before   map[string]map[string]any
	// collects has the garbage collector played: objects go.
	collects bool
}

// edit edits one field, and nothing else any more, and looks at what differs. Where not
// all of it is applied, the edit before must have been taken back first.
func (e *editor) edit(t *testing.T, path string, r row) {
	t.Helper()
	if len(r.want) == 0 || r.partly {
		e.restore(t)
	}
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(e.unedited.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal([]byte(r.value), &value); err != nil {
		t.Fatal(err)
	}
	set(spec, strings.Split(path, "."), value)
	e.write(t, path+": "+r.value, spec, slices.Sorted(slices.Values(r.want)))
}

// restore takes the last edit back.
func (e *editor) restore(t *testing.T) {
	t.Helper()
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(e.unedited.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	e.write(t, "nothing is edited", spec, nil)
}

// write writes a spec, plays the controllers of Kubernetes, after which old rights go, and
// waits until just these objects differ.
func (e *editor) write(t *testing.T, what string, spec map[string]any, want []string) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
		if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(e.d), u); err != nil {
			return err
		}
		u.Object["spec"] = spec
		return cluster.Update(t.Context(), u)
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	awaitObserved(t, e.d)
	rollOut(t, e.d)
	await(t, what, func() error {
		if e.collects {
			collect(t, e.d)
			rollOut(t, e.d)
		}
		if diff := cmp.Diff(want, difference(e.before, specsOf(t, e.d))); diff != "" {
			return fmt.Errorf("-want, +got:\n%s", diff)
		}
		return nil
	})
}

// rollOut has every pod be of the newest template.
func rollOut(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	for _, o := range owned(t, d.Name, desired.KindsNamed("Deployment", "StatefulSet", "DaemonSet")...) {
		observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
		if observed == o.GetGeneration() {
			continue
		}
		status := map[string]any{"observedGeneration": o.GetGeneration(), "replicas": int64(0)}
		if o.GetKind() == "DaemonSet" {
			status = map[string]any{
				"observedGeneration": o.GetGeneration(), "currentNumberScheduled": int64(0), "numberMisscheduled": int64(0),
				"desiredNumberScheduled": int64(0), "numberReady": int64(0),
			}
		}
		o.Object["status"] = status
		updateStatus(t, &o)
	}
}

// set sets a field; in lists, of the first item.
func set(fields map[string]any, path []string, value any) {
	name := path[0]
	if list, isList := value.([]any); len(path) == 1 || isList && len(path) == 2 && len(list) > 0 && isItemOf(path, list) {
		fields[name] = value // a list is given whole, by the path of a field of its items
		return
	}
	switch next := fields[name].(type) {
	case []any:
		set(next[0].(map[string]any), path[1:], value)
	case map[string]any:
		set(next, path[1:], value)
	default:
		below := map[string]any{}
		fields[name] = below
		set(below, path[1:], value)
	}
}

// isItemOf tells whether a path ends in a field of the items of a list.
func isItemOf(path []string, list []any) bool {
	item, ok := list[0].(map[string]any)
	_, has := item[path[1]]
	return ok && has
}

func awaitObserved(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	await(t, "the operator has looked at "+d.Name, func() error {
		if now := refresh(t, d); now.Status.ObservedGeneration != now.Generation {
			return fmt.Errorf("it has seen generation %d of %d", now.Status.ObservedGeneration, now.Generation)
		}
		return nil
	})
}

// specsOf are the objects of a driver without what the API server and others write.
func specsOf(t *testing.T, d *v1alpha1.CSIDriverDeployment) map[string]map[string]any {
	t.Helper()
	specs := map[string]map[string]any{}
	for _, o := range owned(t, d.Name) {
		fields := maps.Clone(o.Object)
		delete(fields, "metadata")
		delete(fields, "status")
		annotations := o.GetAnnotations()
		delete(annotations, appsv1.DeprecatedTemplateGeneration) // which the API server counts up
		fields["annotations"], fields["name"] = annotations, o.GetName()
		specs[o.GetKind()+"/"+o.GetLabels()[v1alpha1.LabelComponent]] = fields
	}
	return specs
}

// difference lists what changed, as rows have it.
func difference(before, after map[string]map[string]any) []string {
	var changed []string
	for name, fields := range after {
		switch {
		case before[name] == nil || !cmp.Equal(before[name], fields) && templateOf(fields) == nil:
			changed = append(changed, name)
		case !cmp.Equal(before[name], fields) && strings.HasPrefix(name, "DaemonSet") && cmp.Equal(templateOf(before[name]), templateOf(fields)):
			changed = append(changed, name+"*")
		case !cmp.Equal(before[name], fields):
			changed = append(changed, name)
		}
	}
	for name := range before {
		if after[name] == nil {
			changed = append(changed, "-"+name)
		}
	}
	slices.Sort(changed)
	return changed
}

func templateOf(fields map[string]any) any {
	template, _, _ := unstructured.NestedFieldNoCopy(fields, "spec", "template")
	return template
}
