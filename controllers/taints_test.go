// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/taint"
)

const foreignTaint = "example.com/foreign"

func enabled(d *v1alpha1.CSIDriverDeployment) { d.Spec.StartupTaint.Enabled = true }

func retainted(d *v1alpha1.CSIDriverDeployment) {
	d.Spec.StartupTaint = v1alpha1.StartupTaintSpec{Enabled: true, Retaint: true}
}

// bornNode makes a node as a kubelet registers it, with a foreign taint before the given
// ones. The API server adds that it is not ready.
func bornNode(t *testing.T, name string, taints ...corev1.Taint) *corev1.Node {
	t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{
		Taints: append([]corev1.Taint{{Key: foreignTaint, Effect: corev1.TaintEffectNoSchedule}}, taints...),
	}}
	create(t, n)
	t.Cleanup(func() { // tests count the nodes of none, but they wake all drivers
		if err := cluster.Delete(context.Background(), n); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	return n
}

func taintOf(key string) corev1.Taint {
	return corev1.Taint{Key: key, Value: "any", Effect: corev1.TaintEffectNoExecute}
}

// registerOn has the kubelet of a node list a driver in a CSINode of that node.
func registerOn(t *testing.T, n *corev1.Node, driver string) {
	t.Helper()
	create(t, &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "Node", Name: n.Name, UID: n.UID},
		}},
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: driver, NodeID: n.Name}}},
	})
}

// taintsOn are the taints of a node as key=value:effect, but for those of Kubernetes.
func taintsOn(t *testing.T, name string) []string {
	t.Helper()
	n := &corev1.Node{}
	read(t, client.ObjectKey{Name: name}, n)
	var list []string
	for _, taint := range n.Spec.Taints {
		if !strings.HasPrefix(taint.Key, "node.kubernetes.io/") {
			list = append(list, taint.ToString())
		}
	}
	slices.Sort(list)
	return list
}

const onlyForeign = foreignTaint + ":NoSchedule"

func awaitTaints(t *testing.T, node, why string, want ...string) {
	t.Helper()
	slices.Sort(want)
	await(t, why, func() error {
		if diff := cmp.Diff(want, taintsOn(t, node)); diff != "" {
			return fmt.Errorf("taints of %s: -want, +got:\n%s", node, diff)
		}
		return nil
	})
}

// keepsTaints has the operator look once more, and wants a node to stay as it is.
func keepsTaints(t *testing.T, d *v1alpha1.CSIDriverDeployment, node, why string, want ...string) {
	t.Helper()
	awaitNodeShown(t, node)
	wake(t, cluster.operator, d)
	slices.Sort(want)
	if diff := cmp.Diff(want, taintsOn(t, node)); diff != "" {
		t.Errorf("%s: taints of %s: -want, +got:\n%s", why, node, diff)
	}
}

// awaitNodeShown waits until the operator's cache has a node in its newest version.
func awaitNodeShown(t *testing.T, name string) {
	t.Helper()
	await(t, "the cache shows "+name, func() error {
		now, cached := &corev1.Node{}, &corev1.Node{}
		read(t, client.ObjectKey{Name: name}, now)
		if err := cluster.operator.client.Get(t.Context(), client.ObjectKey{Name: name}, cached); err != nil {
			return err
		}
		if cached.ResourceVersion != now.ResourceVersion {
			return errors.New("an older one")
		}
		return nil
	})
}

func awaitTaintKey(t *testing.T, d *v1alpha1.CSIDriverDeployment, want string) {
	t.Helper()
	await(t, "status.nodes.startupTaint", func() error {
		if got := refresh(t, d).Status.Nodes.StartupTaint; got != want {
			return fmt.Errorf("is %q, want %q", got, want)
		}
		return nil
	})
}

// TestStartupTaint: it goes when CSINode and pod say that the driver works, and no other
// taint with it; in steady state nothing is sent.
func TestStartupTaint(t *testing.T) {
	t.Parallel()
	d := installed(t, enabled)
	key := d.Name + "/agent-not-ready"
	awaitTaintKey(t, d, key)
	a, b := nodesOf(d)[0], nodesOf(d)[1]
	all := []string{onlyForeign, key + "=any:NoExecute", key + ":NoSchedule"}
	nodeA := bornNode(t, a, taintOf(key), corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	nodeB := bornNode(t, b, taintOf(key), corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	keepsTaints(t, d, a, "neither pod nor CSINode", all...)

	template := daemonSet(t, d).Spec.Template
	runPod(t, d, template, v1alpha1.DefaultNodePool, a)
	keepsTaints(t, d, a, "a pod only", all...)
	registerOn(t, nodeB, d.Name)
	keepsTaints(t, d, b, "a CSINode only", all...)

	registerOn(t, nodeA, d.Name)
	awaitTaints(t, a, "both", onlyForeign)
	keepsTaints(t, d, b, "the other node has both", all...)
	runPod(t, d, template, v1alpha1.DefaultNodePool, b)
	awaitTaints(t, b, "both", onlyForeign)

	before := awaitCalm(t, cluster.operator, d)
	for range 20 {
		reconcileOnce(t, cluster.operator, d)
	}
	if sent := awaitCalm(t, cluster.operator, d) - before; sent > 0 {
		t.Errorf("%d requests in steady state: %q", sent, last(requests(cluster.operator, d), sent))
	}
	if now := refresh(t, d).Status.Nodes; now.StartupTaint != key || now.Registered != 2 {
		t.Errorf("status.nodes is %+v", now)
	}
}

// TestTaintOfANodeMadeAnew: a CSINode of the node before says nothing, and the pod may be
// older than the node.
func TestTaintOfANodeMadeAnew(t *testing.T) {
	t.Parallel()
	d := installed(t, enabled)
	key, name := desired.StartupTaint(d), nodesOf(d)[0]
	runPod(t, d, daemonSet(t, d).Spec.Template, v1alpha1.DefaultNodePool, name)
	old := bornNode(t, name, taintOf(key))
	registerOn(t, old, d.Name)
	awaitTaints(t, name, "the first node is served", onlyForeign)

	remove(t, old)
	awaitGone(t, old)
	anew := bornNode(t, name, taintOf(key))
	keepsTaints(t, d, name, "CSINode is of the node before", onlyForeign, key+"=any:NoExecute")
	csiNode := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	remove(t, csiNode)
	awaitGone(t, csiNode)
	registerOn(t, anew, d.Name)
	awaitTaints(t, name, "the second node is served", onlyForeign)
}

// TestForeignTaintsStay: others write the list of taints at the same time.
func TestForeignTaintsStay(t *testing.T) {
	t.Parallel()
	d := installed(t, enabled)
	key, name := desired.StartupTaint(d), nodesOf(d)[0]
	n := bornNode(t, name, taintOf(key))
	runPod(t, d, daemonSet(t, d).Spec.Template, v1alpha1.DefaultNodePool, name)
	want := []string{onlyForeign}
	for i := range 40 {
		if i == 10 {
			registerOn(t, n, d.Name)
		}
		mine := corev1.Taint{Key: fmt.Sprintf("example.com/t%02d", i), Effect: corev1.TaintEffectNoSchedule}
		want = append(want, mine.ToString())
		editTaints(t, name, func(list []corev1.Taint) []corev1.Taint { return append([]corev1.Taint{mine}, list...) })
	}
	awaitTaints(t, name, "all others are there", want...)
	c := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	if !strings.HasPrefix(c, "all ") {
		t.Errorf("Applied says %s", c)
	}
}

// editTaints changes the taints of a node as somebody else does.
func editTaints(t *testing.T, name string, edit func([]corev1.Taint) []corev1.Taint) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		n := &corev1.Node{}
		read(t, client.ObjectKey{Name: name}, n)
		n.Spec.Taints = edit(n.Spec.Taints)
		return cluster.Update(t.Context(), n)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPatchesOfOldNodes: what was decided on an old state does nothing, and is no error.
func TestPatchesOfOldNodes(t *testing.T) {
	const key = "patches.example.com/agent-not-ready"
	first := func(list []corev1.Taint) []corev1.Taint {
		return append([]corev1.Taint{{Key: "example.com/first", Effect: corev1.TaintEffectNoSchedule}}, list...)
	}
	without := func(list []corev1.Taint) []corev1.Taint {
		return slices.DeleteFunc(list, func(t corev1.Taint) bool { return t.Key == key })
	}
	served, lost := taint.Node{Served: true}, taint.Node{Wanted: true, Lost: true}
	cases := map[string]struct {
		taints    []corev1.Taint // nil: of none at all, not even of others
		knowledge taint.Node
		meanwhile func(*testing.T, *corev1.Node)
	}{
		"moved":   {[]corev1.Taint{taintOf(key)}, served, func(t *testing.T, n *corev1.Node) { editTaints(t, n.Name, first) }},
		"removed": {[]corev1.Taint{taintOf(key)}, served, func(t *testing.T, n *corev1.Node) { editTaints(t, n.Name, without) }},
		"replaced": {[]corev1.Taint{taintOf(key)}, served, func(t *testing.T, n *corev1.Node) {
			remove(t, n)
			bornNode(t, n.Name, taintOf(key))
		}},
		"gone": {[]corev1.Taint{taintOf(key)}, served, func(t *testing.T, n *corev1.Node) { remove(t, n) }},
		"came": {nil, lost, func(t *testing.T, n *corev1.Node) { editTaints(t, n.Name, first) }},
		"came-too": {[]corev1.Taint{}, lost, func(t *testing.T, n *corev1.Node) {
			editTaints(t, n.Name, func(list []corev1.Taint) []corev1.Taint {
				return append(list, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
			})
		}},
		"emptied": {[]corev1.Taint{}, lost, func(t *testing.T, n *corev1.Node) {
			editTaints(t, n.Name, func([]corev1.Taint) []corev1.Taint { return nil })
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := bornNode(t, "patches-"+name, tc.taints...)
			if tc.taints == nil {
				editTaints(t, n.Name, func([]corev1.Taint) []corev1.Taint { return nil })
			}
			read(t, client.ObjectKeyFromObject(n), n)
			known := tc.knowledge
			known.UID, known.Taints = n.UID, n.Spec.Taints
			patch := taint.Decide(key, known)
			if patch == nil {
				t.Fatal("there is nothing to do")
			}
			tc.meanwhile(t, n)
			before := currentNode(t, n.Name)
			m := newTainted().of("1")
			again, err := cluster.operator.reconciler.patchNodes(t.Context(), m, key, []nodePatch{{n, patch}})
			if err != nil || again != settle {
				t.Errorf("the end is %v, %v", again, err)
			}
			if diff := cmp.Diff(before, currentNode(t, n.Name)); diff != "" {
				t.Errorf("-before, +after:\n%s", diff)
			}
		})
	}
}

// currentNode is uid and taints of a node; empty for one that is gone.
func currentNode(t *testing.T, name string) string {
	t.Helper()
	n := &corev1.Node{}
	if err := cluster.Get(t.Context(), client.ObjectKey{Name: name}, n); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(n.UID, n.Spec.Taints)
}

// awaitRegistered waits until so many nodes have the driver.
func awaitRegistered(t *testing.T, d *v1alpha1.CSIDriverDeployment, want int32) {
	t.Helper()
	await(t, "registered nodes", func() error {
		if got := refresh(t, d).Status.Nodes.Registered; got != want {
			return fmt.Errorf("there are %d, want %d", got, want)
		}
		return nil
	})
}

// setReady changes what the kubelet says of the node pod of a node.
func setReady(t *testing.T, d *v1alpha1.CSIDriverDeployment, node string, status corev1.ConditionStatus) {
	t.Helper()
	pod := &corev1.Pod{}
	read(t, client.ObjectKey{Namespace: d.Spec.Namespace, Name: v1alpha1.DefaultNodePool + "-" + node}, pod)
	for i := range pod.Status.Conditions {
		pod.Status.Conditions[i].Status = status
	}
	updateStatus(t, pod)
}

// setPatience shortens how long a driver may be away from its nodes.
func setPatience(d *v1alpha1.CSIDriverDeployment, patience time.Duration) {
	m := cluster.operator.reconciler.tainted.of(d.UID)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.patience = patience
}

// passTime moves the clock by which absences of a driver are measured.
func passTime(d *v1alpha1.CSIDriverDeployment, by time.Duration) {
	m := cluster.operator.reconciler.tainted.of(d.UID)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = func() time.Time { return time.Now().Add(by) }
}

// servedNodes is a driver whose two nodes came with its startup taint and have lost it.
func servedNodes(t *testing.T) (d *v1alpha1.CSIDriverDeployment, key, a, b string) {
	t.Helper()
	d = installed(t, retainted)
	key, a, b = desired.StartupTaint(d), nodesOf(d)[0], nodesOf(d)[1]
	bornNode(t, a, taintOf(key))
	bornNode(t, b, taintOf(key))
	d = healthy(t, d)
	awaitTaints(t, a, "it is served", onlyForeign)
	awaitTaints(t, b, "it is served", onlyForeign)
	return d, key, a, b
}

// TestRetaint: a node that the driver was on gets the taint back when its time is over, and
// loses it when the driver is there again.
func TestRetaint(t *testing.T) {
	t.Parallel()
	d, key, a, b := servedNodes(t)

	setReady(t, d, a, corev1.ConditionFalse)
	awaitRegistered(t, d, 1)
	keepsTaints(t, d, a, "a pod is replaced in a rollout", onlyForeign)
	result, err := cluster.operator.reconciler.Reconcile(asWorker(t, d), refresh(t, d))
	if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > retaintAfter {
		t.Errorf("the next look is after %v, %v", result.RequeueAfter, err)
	}
	setReady(t, d, a, corev1.ConditionTrue)
	awaitRegistered(t, d, 2)

	setPatience(d, time.Second)
	setReady(t, d, a, corev1.ConditionFalse)
	awaitTaints(t, a, "the driver is away for long", onlyForeign, key+"=lost:NoSchedule") // nobody wakes the operator
	setReady(t, d, a, corev1.ConditionTrue)
	awaitTaints(t, a, "the driver is back", onlyForeign)
	awaitTaints(t, b, "the other one always had it", onlyForeign)
}

// TestNoTaintWhereTheDriverIsNotWanted: a node that left the pool has no use for it.
func TestNoTaintWhereTheDriverIsNotWanted(t *testing.T) {
	t.Parallel()
	d, key, a, _ := servedNodes(t)

	setPatience(d, time.Second)
	setReady(t, d, a, corev1.ConditionFalse)
	awaitTaints(t, a, "the driver is away for long", onlyForeign, key+"=lost:NoSchedule")
	ds := daemonSet(t, d)
	ds.Status.DesiredNumberScheduled, ds.Status.CurrentNumberScheduled, ds.Status.UpdatedNumberScheduled, ds.Status.NumberReady = 1, 1, 1, 1
	updateStatus(t, ds)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.Spec.Namespace, Name: v1alpha1.DefaultNodePool + "-" + a}}
	remove(t, pod, client.GracePeriodSeconds(0))
	awaitTaints(t, a, "the pool has left the node", onlyForeign)
	passTime(d, time.Hour)
	keepsTaints(t, d, a, "it is not wanted there", onlyForeign)
}

// TestTaintsAreCleanedUp: nobody else knows the key of a startup taint that is not one any
// more.
func TestTaintsAreCleanedUp(t *testing.T) {
	const other = "taints.example.com/other"
	gone := []string{onlyForeign}
	cases := map[string]struct {
		act  func(*testing.T, *v1alpha1.CSIDriverDeployment)
		want []string
		key  string // in the status afterwards; of deployments that are there
	}{
		"disabled": {func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.StartupTaint.Enabled = false })
		}, gone, ""},
		"otherkey": {func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.StartupTaint.Key = other })
		}, gone, other},
		"deleted": {func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			remove(t, d)
			awaitGone(t, d)
		}, gone, ""},
		"released": {func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			change(t, d, state(v1alpha1.Unmanaged))
			awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
			remove(t, d)
			awaitGone(t, d)
		}, gone, ""},
		"unmanaged": {func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
				s.ManagementState, s.StartupTaint.Enabled = v1alpha1.Unmanaged, false
			})
			awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
		}, nil, "own"},
		"planned": {func(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
			change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
				s.ManagementState, s.StartupTaint.Key = v1alpha1.PlanOnly, other+"-planned"
			})
			awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonPlanOnly)
		}, nil, "own"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := installed(t, enabled)
			key, node := desired.StartupTaint(d), nodesOf(d)[0]
			awaitTaintKey(t, d, key)
			bornNode(t, node, taintOf(key))
			keepsTaints(t, d, node, "it is not served", onlyForeign, key+"=any:NoExecute")
			tc.act(t, d)
			want := tc.want
			if want == nil {
				want = []string{onlyForeign, key + "=any:NoExecute"}
				wake(t, cluster.operator, d)
			}
			awaitTaints(t, node, name, want...)
			if tc.key == "own" {
				tc.key = key
			}
			if err := stillThere(t, d); err != nil {
				awaitTaintKey(t, d, tc.key)
			}
		})
	}
}

// TestUnmanagedWritesNoTaints: a node is served, and nobody is told to do anything.
func TestUnmanagedWritesNoTaints(t *testing.T) {
	t.Parallel()
	d := installed(t, enabled)
	key, node := desired.StartupTaint(d), nodesOf(d)[0]
	awaitTaintKey(t, d, key)
	n := bornNode(t, node, taintOf(key))
	change(t, d, state(v1alpha1.Unmanaged))
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	awaitObserved(t, d)
	registerOn(t, n, d.Name)
	runPod(t, d, daemonSet(t, d).Spec.Template, v1alpha1.DefaultNodePool, node)
	awaitRegistered(t, d, 1)
	keepsTaints(t, d, node, "Unmanaged", onlyForeign, key+"=any:NoExecute")
	change(t, d, state(v1alpha1.Managed))
	awaitTaints(t, node, "Managed", onlyForeign)
}

// TestTaintsWithoutTheRight: who may not patch nodes says so, and tries again after a while.
func TestTaintsWithoutTheRight(t *testing.T) {
	t.Parallel()
	d := installed(t, enabled)
	key, node := desired.StartupTaint(d), nodesOf(d)[0]
	awaitTaintKey(t, d, key)
	n := bornNode(t, node, taintOf(key))
	runPod(t, d, daemonSet(t, d).Spec.Template, v1alpha1.DefaultNodePool, node)
	keepsTaints(t, d, node, "a pod only", onlyForeign, key+"=any:NoExecute")
	cluster.operator.traffic.sabotage(d.Name, &saboteur{at: 1, fault: faults()[3]}) // the next call is that patch
	registerOn(t, n, d.Name)
	message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonRBACDenied)
	for _, part := range []string{`Node "` + node + `"`, key, "may not patch nodes", "config/rbac/role.yaml"} {
		if !strings.Contains(message, part) {
			t.Errorf("the message lacks %q: %s", part, message)
		}
	}
	keepsTaints(t, d, node, "a minute is not over", onlyForeign, key+"=any:NoExecute")
	passTime(d, 2*afterRefusal)
	reconcileOnce(t, cluster.operator, d)
	awaitTaints(t, node, "it has the right now", onlyForeign)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

// TestOneTaintOfTwoDrivers: one of them would take it off too early.
func TestOneTaintOfTwoDrivers(t *testing.T) {
	t.Parallel()
	shared := func(d *v1alpha1.CSIDriverDeployment) {
		d.Spec.StartupTaint = v1alpha1.StartupTaintSpec{Enabled: true, Key: "shared.example.com/not-ready"}
	}
	first := installed(t, shared)
	awaitTaintKey(t, first, "shared.example.com/not-ready")
	second := driver(t, func(d *v1alpha1.CSIDriverDeployment) {
		d.Name += "-2"
		d.Spec.Namespace += "-2"
	}, shared)
	createNamespace(t, second.Spec.Namespace)
	create(t, second)
	message := awaitCondition(t, second, v1alpha1.ConditionSpecValid, metav1.ConditionFalse, v1alpha1.ReasonInvalid)
	if !strings.HasPrefix(message, "spec.startupTaint.key: ") || !strings.Contains(message, first.Name) {
		t.Errorf("the message is %s", message)
	}
	change(t, second, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.StartupTaint.Key = "" })
	awaitCondition(t, second, v1alpha1.ConditionSpecValid, metav1.ConditionTrue, v1alpha1.ReasonValid)
}

// TestTaintsWake: a taint of a driver's key wakes that driver, and heartbeats nobody.
func TestTaintsWake(t *testing.T) {
	t.Parallel()
	d := installed(t, enabled)
	awaitTaintKey(t, d, desired.StartupTaint(d))
	mine, other := taintOf(desired.StartupTaint(d)), taintOf(foreignTaint)
	with := func(beat string, taints ...corev1.Taint) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: beat}, Spec: corev1.NodeSpec{Taints: taints}}
	}
	cases := map[string]struct {
		was, is *corev1.Node
		want    int
	}{
		"Gets":             {with("1"), with("2", mine), 1},
		"Keeps":            {with("1", mine), with("2", mine, other), 1},
		"HasAnotherEffect": {with("1", mine), with("2", corev1.Taint{Key: mine.Key, Effect: corev1.TaintEffectNoSchedule}), 1},
		"Heartbeat":        {with("1", mine), with("2", mine), 0},
		"Loses":            {with("1", mine, other), with("2", other), 0},
		"GetsAnotherOne":   {with("1"), with("2", other), 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			cluster.operator.reconciler.taintings().UpdateFunc(t.Context(), event.UpdateEvent{ObjectOld: tc.was, ObjectNew: tc.is}, q)
			if got := q.Len(); got != tc.want {
				t.Errorf("%d drivers are woken, want %d", got, tc.want)
			}
		})
	}
}
