// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/plan"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// scene is what the operator finds when it looks at a driver.
type scene struct {
	d       *v1alpha1.CSIDriverDeployment
	set     desired.Set
	said    answer
	invalid error // of the spec
	applied error
	plan    plan.Plan
	missing []string // classes
	waiting []string // snapshots
	cluster health.Observed
}

// wellScene is a driver of which everything is as it should be, on so many nodes.
func wellScene(t *testing.T, nodes int) *scene {
	t.Helper()
	d := driver(t, unknown)
	d.Generation, d.Spec.Capabilities = 3, []string{sidecar.CreateVolume, sidecar.PublishVolume}
	set, err := desired.Render(d, facts)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{d: d, set: set, said: answer{Key: set.Discovery.Key, Driver: d.Name}}
	controllers, names := int32(2), nodeNames(nodes)
	s.cluster.Controller = &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "c", Generation: 1}, Spec: appsv1.DeploymentSpec{Replicas: &controllers},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: controllers, UpdatedReplicas: controllers, ReadyReplicas: controllers},
	}
	count := int32(nodes) //nolint:gosec // a handful
	s.cluster.Nodes = map[string]*appsv1.DaemonSet{v1alpha1.DefaultNodePool: {
		ObjectMeta: metav1.ObjectMeta{Name: "n", Generation: 1},
		Status: appsv1.DaemonSetStatus{
			ObservedGeneration: 1, DesiredNumberScheduled: count, CurrentNumberScheduled: count, UpdatedNumberScheduled: count, NumberReady: count,
		},
	}}
	for _, node := range names[:controllers] {
		s.addPod(v1alpha1.ComponentController, node)
	}
	for _, node := range names {
		s.addPod(v1alpha1.DefaultNodePool, node)
		s.cluster.CSINodes = append(s.cluster.CSINodes, storagev1.CSINode{
			ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: d.Name}}},
		})
	}
	return s
}

func nodeNames(count int) (names []string) {
	for i := range count {
		names = append(names, fmt.Sprintf("node-%02d", i))
	}
	return names
}

// addPod adds a pod whose containers are all ready.
func (s *scene) addPod(component, node string) {
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: component + "-" + node, UID: types.UID(component + node), Labels: map[string]string{v1alpha1.LabelComponent: component}},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for _, row := range s.set.Rows {
		if row.Component == component {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: row.Name, Image: row.Image, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			})
		}
	}
	s.cluster.Pods = append(s.cluster.Pods, pod)
}

// each edits the pods of a component on the first nodes.
func (s *scene) each(component string, count int, edit func(*corev1.Pod)) {
	for i := range s.cluster.Pods {
		if s.cluster.Pods[i].Labels[v1alpha1.LabelComponent] == component && count > 0 {
			edit(&s.cluster.Pods[i])
			count--
		}
	}
}

// becomes makes the first container of a pod be in a state, and the pod not ready.
func becomes(state corev1.ContainerState) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions[0].Status = corev1.ConditionFalse
		pod.Status.ContainerStatuses[0].Ready, pod.Status.ContainerStatuses[0].State = false, state
	}
}

// starts and crashes are what pods do.
func starts(pod *corev1.Pod) {
	becomes(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}})(pod)
}

func crashes(pod *corev1.Pod) {
	becomes(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}})(pod)
}

// unlist makes the first nodes forget the driver.
func (s *scene) unlist(count int) {
	for i := range count {
		s.cluster.CSINodes[i].Spec.Drivers = nil
	}
}

// look tells in the status what a reconcile would.
func (s *scene) look() {
	markSpecValid(s.d, s.set.Warnings, s.invalid)
	if s.invalid != nil {
		markSpecInvalidApplied(s.d)
	} else {
		s.execute()
		markCapabilities(s.d, s.set, s.said)
		markClasses(s.d, s.set.Unserved, s.missing, s.waiting)
	}
	keep(s.d, health.Assess(s.d.Name, s.set.Components, s.set.Rows, s.cluster))
	summarize(s.d)
}

func (s *scene) execute() {
	if !managed(s.d) {
		markPlanned(s.d, len(s.set.Objects), s.plan, s.applied)
		return
	}
	markChangeBlocked(s.d, s.plan)
	markApplied(s.d, len(s.set.Objects), s.applied)
}

// blocked is a change of a workload that waits, and what comes of it.
func (s *scene) blocked(passing bool) {
	ref := plan.Ref{Kind: "DaemonSet", Name: "old"}
	s.plan = plan.Plan{{Ref: ref, Action: plan.Blocked, Reason: "it waits", Passing: passing}}
	s.applied = &apply.BlockedError{Object: ref, Reason: "it waits", Passing: passing}
}

// drifts makes something not be as rendered, for a driver that is not managed.
func (s *scene) drifts(state v1alpha1.ManagementState) {
	s.d.Spec.ManagementState = state
	s.plan = plan.Plan{{Ref: plan.Ref{Kind: "DaemonSet", Name: "n"}, Action: plan.Heal}}
}

// deleted is a deletion, of which the generation tells too.
func (s *scene) deleted() {
	s.d.DeletionTimestamp = new(metav1.Now())
	s.d.Generation++
}

// TestOtherToolsAgree decides by what the operator finds, and asks kstatus, Argo CD's
// script and what kubectl wait looks at.
func TestOtherToolsAgree(t *testing.T) {
	const controller, node = v1alpha1.ComponentController, v1alpha1.DefaultNodePool
	object := plan.Ref{Kind: "CSIDriver", Name: "x"}
	fails := func(err error) func(*scene) { return func(s *scene) { s.applied = err } }
	nodesStart := func(count int) func(*scene) {
		return func(s *scene) { s.each(node, count, starts); s.unlist(count) }
	}
	cases := map[string]struct {
		nodes int // 3 if it is 0
		find  func(*scene)
		after func(*scene) // it has looked
		want  string       // by kstatus, and the reason
	}{
		"Ready":              {want: "Current"},
		"NewerGeneration":    {after: func(s *scene) { s.d.Generation++ }, want: "InProgress"},
		"StalledAndNewer":    {find: fails(&apply.ConflictError{Object: object}), after: func(s *scene) { s.d.Generation++ }, want: "InProgress Conflict"},
		"NothingIsKnownOfIt": {find: func(s *scene) { s.d.Generation++ }, after: forgetful, want: "InProgress NotKnown"},
		"Installing":         {find: func(s *scene) { s.cluster = health.Observed{} }, want: "InProgress Starting"},
		"ControllerStarts":   {find: func(s *scene) { s.each(controller, 2, starts); s.cluster.Controller.Status.ReadyReplicas = 0 }, want: "InProgress Starting"},
		"NodesStart":         {find: nodesStart(3), want: "InProgress Starting"},
		"NotListedYet":       {find: func(s *scene) { s.unlist(3) }, want: "InProgress Starting"},
		"RollsOut":           {find: func(s *scene) { s.cluster.Controller.Status.UpdatedReplicas = 1 }, want: "InProgress Starting"},
		"NotAskedYet":        {find: func(s *scene) { asks(s); s.said = answer{} }, want: "InProgress NotAsked"},
		"TriedAgain":         {find: fails(errors.New("connection refused")), want: "InProgress ApplyFailed"},
		"WaitsForTheOldOne":  {find: func(s *scene) { s.blocked(true) }, want: "InProgress Pending"},
		"ANodeIsNew":         {find: nodesStart(1), want: "Current"},
		"ANodeIsNewOfMany":   {nodes: 30, find: nodesStart(3), want: "Current"},
		"TooManyNodesAreNew": {nodes: 30, find: nodesStart(4), want: "InProgress Starting"},
		"ANodeCrashes":       {find: func(s *scene) { s.each(node, 1, crashes) }, want: "Failed Unhealthy"},
		"ControllerCrashes":  {find: func(s *scene) { s.each(controller, 2, crashes); s.cluster.Controller.Status.ReadyReplicas = 0 }, want: "Failed Unavailable"},
		"OneControllerCrash": {find: func(s *scene) { s.each(controller, 1, crashes); s.cluster.Controller.Status.ReadyReplicas = 1 }, want: "Failed Unhealthy"},
		"FaultBehindAStart":  {find: func(s *scene) { s.cluster.Controller = nil; s.each(node, 1, crashes) }, want: "Failed Unhealthy"},
		"KubeletIsSilent":    {find: func(s *scene) { s.unlist(3); s.cluster.Overdue = overdue(s) }, want: "Failed Unregistered"},
		"NoNodeIsFit":        {find: func(s *scene) { s.cluster.Nodes[node].Status = appsv1.DaemonSetStatus{ObservedGeneration: 1} }, want: "Failed NoNodes"},
		"Invalid":            {find: func(s *scene) { s.invalid = errors.New("spec.x: no") }, want: "Failed Invalid"},
		"NeverRendered": {find: func(s *scene) {
			s.invalid, s.set, s.cluster = errors.New("spec.x: no"), desired.Set{}, health.Observed{}
		}, want: "Failed Invalid"},
		"Conflict":            {find: fails(&apply.ConflictError{Object: object}), want: "Failed Conflict"},
		"NoNamespace":         {find: fails(&apply.NamespaceError{Name: "n"}), want: "Failed NamespaceMissing"},
		"NotAllowed":          {find: fails(&apply.DeniedError{Object: object}), want: "Failed RBACDenied"},
		"Refused":             {find: fails(&apply.RefusedError{Object: object}), want: "Failed ApplyRefused"},
		"Contested":           {find: fails(&apply.ContestedError{Object: object}), want: "Failed Contested"},
		"Blocked":             {find: func(s *scene) { s.blocked(false) }, want: "Failed Blocked"},
		"BlockedAndTried":     {find: func(s *scene) { s.blocked(false); s.applied = errors.New("connection refused") }, want: "Failed Blocked"},
		"NoAnswer":            {find: func(s *scene) { asks(s); s.said.Problem = "no answer" }, want: "Failed NoAnswer"},
		"AnotherDriver":       {find: func(s *scene) { asks(s); s.said.Driver = "other.example.com" }, want: "Failed Differs"},
		"NoSuchClass":         {find: func(s *scene) { s.set.Unserved = []string{"no CustomResourceDefinition"} }, want: "Failed KindMissing"},
		"ClassIsGone":         {find: func(s *scene) { s.missing = []string{"StorageClass fast"} }, want: "Failed ClassMissing"},
		"NobodyTakesThem":     {find: func(s *scene) { s.waiting = []string{"2 snapshots"} }, want: "Failed Waiting"},
		"PlanOfNothing":       {find: func(s *scene) { s.d.Spec.ManagementState = v1alpha1.PlanOnly }, want: "Current"},
		"Plan":                {find: func(s *scene) { s.drifts(v1alpha1.PlanOnly) }, want: "Failed PlanOnly"},
		"Unmanaged":           {find: func(s *scene) { s.d.Spec.ManagementState = v1alpha1.Unmanaged }, want: "Current"},
		"UnmanagedAndDrifted": {find: func(s *scene) { s.drifts(v1alpha1.Unmanaged) }, want: "Failed Unmanaged"},
		"DeletedJustNow":      {after: (*scene).deleted, want: "Terminating"},
		"Deleted":             {find: (*scene).deleted, want: "Terminating Deleting"},
		"DeletedAndWaiting":   {find: (*scene).deleted, after: func(s *scene) { progress(s.d, "waiting for Pod"); summarize(s.d) }, want: "Terminating Deleting"},
		"DeletedAndBlocked":   {find: (*scene).deleted, after: keepsVolumes, want: "Terminating VolumesExist"},
		"DeletedAndCrashing":  {find: func(s *scene) { s.deleted(); s.each(node, 1, crashes) }, want: "Terminating Deleting"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := wellScene(t, max(tc.nodes, 3))
			if tc.find != nil {
				tc.find(s)
			}
			s.look()
			if tc.after != nil {
				tc.after(s)
			}
			if got := verdictOf(t, s.d); got != tc.want {
				t.Errorf("%s, want %s; conditions: %+v", got, tc.want, s.d.Status.Conditions)
			}
		})
	}
}

// verdictOf is what all tools agree on, with the reason of the condition of kstatus.
func verdictOf(t *testing.T, d *v1alpha1.CSIDriverDeployment) string {
	t.Helper()
	status, err := agreed(d)
	if err != nil {
		t.Fatalf("%v; conditions: %+v", err, d.Status.Conditions)
	}
	text := status.String()
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if c := meta.FindStatusCondition(d.Status.Conditions, kind); c != nil {
			text += " " + c.Reason
		}
	}
	return text
}

// forgetful takes away all that was found out, as where the first look ends with an error.
func forgetful(s *scene) {
	s.d.Status.Conditions = nil
	summarize(s.d)
}

// asks makes the driver be asked for its capabilities.
func asks(s *scene) {
	s.set.Discovery.Asked, s.set.Discovery.Capabilities = true, nil
}

// keepsVolumes makes volumes keep a deleted driver.
func keepsVolumes(s *scene) {
	mark(s.d, metav1.Condition{
		Type: v1alpha1.ConditionDeletionBlocked, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonVolumesExist, Message: "3 volumes",
	})
	summarize(s.d)
}

// overdue are all pods of a scene.
func overdue(s *scene) map[string]bool {
	all := map[string]bool{}
	for _, pod := range s.cluster.Pods {
		all[string(pod.UID)] = true
	}
	return all
}

// TestHealthScriptBearsWhatIsMissing: a script that fails is an unknown health.
func TestHealthScriptBearsWhatIsMissing(t *testing.T) {
	for name, status := range map[string]any{
		"Status": nil, "Everything": map[string]any{}, "Conditions": map[string]any{"observedGeneration": int64(1)},
		"Ready": map[string]any{"observedGeneration": int64(1), "conditions": []any{map[string]any{"type": "Applied", "status": "True"}}},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"generation": int64(1)}, "status": status}}
			if health, message, err := runHealthScript(u); err != nil || health != "Progressing" || message == "" {
				t.Errorf("%s (%s), %v", health, message, err)
			}
		})
	}
}

// TestTheCourseFollows a driver: what does not hold any more goes, and what stays the same
// is the same.
func TestTheCourseFollows(t *testing.T) {
	s := wellScene(t, 3)
	crash := s.cluster.Pods
	s.cluster.Pods = nil
	s.cluster.Nodes[v1alpha1.DefaultNodePool].Status.NumberReady = 0
	s.look()
	begun := *meta.FindStatusCondition(s.d.Status.Conditions, v1alpha1.ConditionReconciling)
	s.look()
	if again := *meta.FindStatusCondition(s.d.Status.Conditions, v1alpha1.ConditionReconciling); again != begun {
		t.Errorf("nothing has changed: %+v, %+v", begun, again)
	}
	s.cluster.Pods = crash
	s.each(v1alpha1.DefaultNodePool, 3, crashes)
	s.look()
	if got := verdictOf(t, s.d); got != "Failed Unregistered" {
		t.Errorf("when it crashes it is %s", got)
	}
	c := meta.FindStatusCondition(s.d.Status.Conditions, v1alpha1.ConditionStalled)
	cause := meta.FindStatusCondition(s.d.Status.Conditions, v1alpha1.ConditionNodesRegistered)
	if c.Reason != cause.Reason || c.Message != cause.Type+": "+cause.Message {
		t.Errorf("%+v is not of %+v", c, cause)
	}
	well := wellScene(t, 3)
	well.d.Status = s.d.Status
	well.look()
	if got := verdictOf(t, well.d); got != "Current" {
		t.Errorf("when all is well it is %s", got)
	}
}

// TestDocumentedReasons: docs/gitops.md says of every reason what the code says.
func TestDocumentedReasons(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| condition | `Reconciling` | `Stalled` |\n")
	table, _, _ = strings.Cut(table, "| being deleted |") // where the reason does not decide
	quoted, count := regexp.MustCompile("`([A-Za-z]+)`"), 0
	for line := range strings.Lines(table) {
		for column, cell := range strings.Split(line, "|") {
			for _, reason := range quoted.FindAllStringSubmatch(cell, -1) {
				if column < 2 { // the condition
					continue
				}
				count++
				if got, want := lasts(metav1.Condition{Reason: reason[1]}), column == 3; got != want {
					t.Errorf("%s lasts: %t, want %t", reason[1], got, want)
				}
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d reasons are documented", count)
	}
}
