// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// chronicle is every status that a deployment had while a test ran.
type chronicle struct {
	mu       sync.Mutex
	statuses []v1alpha1.CSIDriverDeploymentStatus
	stop     func()
}

// chronicled watches a deployment until the test ends; each status must agree with itself.
func chronicled(t *testing.T, d *v1alpha1.CSIDriverDeployment) *chronicle {
	t.Helper()
	config, err := ctrl.GetConfig()
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := client.NewWithWatch(config, client.Options{Scheme: shared.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w, err := watcher.Watch(ctx, &v1alpha1.CSIDriverDeploymentList{}, client.MatchingFields{"metadata.name": d.Name})
	if err != nil {
		cancel()
		t.Fatalf("watching %s: %v", d.Name, err)
	}
	c := &chronicle{}
	var done sync.WaitGroup
	done.Go(func() {
		for e := range w.ResultChan() {
			if now, ok := e.Object.(*v1alpha1.CSIDriverDeployment); ok {
				c.add(now.Status)
			}
		}
	})
	c.stop = sync.OnceFunc(func() {
		cancel()
		w.Stop()
		done.Wait()
	})
	t.Cleanup(c.stop)
	return c
}

func (c *chronicle) add(s v1alpha1.CSIDriverDeploymentStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses = append(c.statuses, s)
}

// wantCalm ends the chronicle. No status may contradict itself, and no condition may have
// gone away and come back more than once.
func (c *chronicle) wantCalm(t *testing.T) {
	t.Helper()
	c.stop()
	if len(c.statuses) == 0 {
		t.Error("no status was seen")
	}
	changes := map[string][]string{}
	for _, s := range c.statuses {
		if err := contradiction(s); err != nil {
			t.Error(err)
		}
		for _, condition := range s.Conditions {
			seen := changes[condition.Type]
			if len(seen) == 0 || !strings.HasPrefix(seen[len(seen)-1], string(condition.Status)+" ") {
				changes[condition.Type] = append(seen, string(condition.Status)+" "+condition.Message)
			}
		}
	}
	for kind, seen := range changes {
		if len(seen) > 3 {
			t.Errorf("%s changed %d times:\n%s", kind, len(seen)-1, strings.Join(seen, "\n"))
		}
	}
	t.Logf("%d statuses; Ready was %d times another one", len(c.statuses), len(changes[v1alpha1.ConditionReady])-1)
}

// contradiction says in what a status does not agree with itself.
func contradiction(s v1alpha1.CSIDriverDeploymentStatus) error {
	is := func(kind string) bool { return meta.IsStatusConditionTrue(s.Conditions, kind) }
	if len(s.Conditions) == 0 {
		return nil
	}
	parts := []string{
		v1alpha1.ConditionSpecValid, v1alpha1.ConditionApplied, v1alpha1.ConditionControllerAvailable, v1alpha1.ConditionNodesRegistered,
		v1alpha1.ConditionSidecarsHealthy, v1alpha1.ConditionCapabilitiesMatch, v1alpha1.ConditionClassesInSync,
	}
	unmet := slices.DeleteFunc(parts, is)
	if is(v1alpha1.ConditionReady) != (len(unmet) == 0) {
		return fmt.Errorf("ready is %t, and not met are %v", is(v1alpha1.ConditionReady), unmet)
	}
	reconciling, stalled := is(v1alpha1.ConditionReconciling), is(v1alpha1.ConditionStalled)
	if reconciling && stalled || is(v1alpha1.ConditionReady) == (reconciling || stalled) {
		return fmt.Errorf("ready is %t, Reconciling %t, Stalled %t", is(v1alpha1.ConditionReady), reconciling, stalled)
	}
	healthy := 0
	for _, r := range s.Sidecars {
		if r.State == v1alpha1.SidecarHealthy {
			healthy++
		}
		if (r.State == v1alpha1.SidecarHealthy) != (r.Message == "") {
			return fmt.Errorf("row %s of %s is %s, and its message %q", r.Name, r.Component, r.State, r.Message)
		}
	}
	if want := fmt.Sprintf("%d/%d", healthy, len(s.Sidecars)); s.SidecarSummary != want {
		return fmt.Errorf("summary is %s, and %s rows are healthy", s.SidecarSummary, want)
	}
	if n := s.Nodes; n.Registered > n.Desired || n.Ready > n.Desired || n.Updated > n.Desired {
		return fmt.Errorf("nodes are %+v", n)
	}
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); c.Status == metav1.ConditionFalse && c.Message == "" {
		return fmt.Errorf("nothing says why it is not ready: %+v", c)
	}
	return nil
}

// TestRollingUpdate: while all pods are replaced, the status says so, and nothing else.
func TestRollingUpdate(t *testing.T) {
	d := sharedDeployment(t)
	c := chronicled(t, d)
	changed(t, d, func() { d.Spec.Sidecars.Defaults.LogLevel = new(int32(3)) })
	await(t, "the rollout is told", condition(d, v1alpha1.ConditionSidecarsHealthy, "False", v1alpha1.ReasonStarting))
	record(t, "rolling-update", d)
	await(t, "all pods are replaced", ready(d))
	c.wantCalm(t)
	if len(c.statuses) < 3 {
		t.Errorf("%d statuses tell of a rollout", len(c.statuses))
	}
}

// TestRestartedKubelet: a kubelet that starts anew is neither an outage nor a rollout.
func TestRestartedKubelet(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("killing a kubelet needs the local cluster's tool")
	}
	d := sharedDeployment(t)
	c := chronicled(t, d)
	t.Cleanup(func() { upAgain(t, "start") })
	restartKubelet(t, shared.nodeB)
	// Long enough for kubelet to find its pods and the registrations again.
	await(t, "kubelet has reported twice", reportedSince(shared.nodeB, metav1.NewTime(time.Now().Add(15*time.Second))))
	await(t, "deployment is Ready", ready(d))
	c.wantCalm(t)
	for _, s := range c.statuses {
		if !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionReady) {
			t.Errorf("it was not Ready meanwhile: %+v", s.Conditions)
		}
	}
}

// reportedSince is nil when the Lease of a node was renewed after a time.
func reportedSince(node string, since metav1.Time) func(context.Context) error {
	return func(ctx context.Context) error {
		lease, err := shared.clientset.CoordinationV1().Leases("kube-node-lease").Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if lease.Spec.RenewTime.Time.Before(since.Time) {
			return fmt.Errorf("renewed at %s", lease.Spec.RenewTime)
		}
		return nil
	}
}

// restartKubelet kills the kubelet of a node and starts it anew, which makes its Node where
// that is missing.
func restartKubelet(t *testing.T, node string) {
	t.Helper()
	if _, err := shared.nodes.exec(context.WithoutCancel(t.Context()), node, "sh", "-c", "kill -9 $(pidof kubelet)"); err != nil {
		t.Fatal(err)
	}
	onNode(t, "start", node)
	awaitWith(context.WithoutCancel(t.Context()), t, node+" is Ready", nodeIs(node, true))
}

// TestRecreatedNode: a node that is deleted counts no more, and one that comes back under
// its name counts when its own kubelet has registered the driver.
func TestRecreatedNode(t *testing.T) {
	if shared.nodes == "" {
		t.Skip("restarting a kubelet needs the local cluster's tool")
	}
	d := sharedDeployment(t)
	t.Cleanup(func() { restartKubelet(t, shared.nodeB) })
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: shared.nodeB}}
	if err := shared.Delete(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	tellsWithin(t, "node-deleted", 0, d, func() error {
		missing := d.Status.Nodes.Unregistered
		if len(missing) != 1 || missing[0].Name != shared.nodeB || !strings.HasPrefix(missing[0].Message, "the node is gone") {
			return fmt.Errorf("unregistered are %+v", missing)
		}
		return nil
	})
	restartKubelet(t, shared.nodeB)
	await(t, "the node is there again", nodeIs(shared.nodeB, true))
	await(t, "deployment is Ready on both nodes", func(ctx context.Context) error {
		if err := ready(d)(ctx); err != nil {
			return err
		}
		if n := d.Status.Nodes; n.Registered != 2 {
			return fmt.Errorf("nodes are %+v", n)
		}
		return nil
	})
	record(t, "node-recreated", d)
}
