// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/test/bench/audit"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
	"github.com/csi-operator/csi-operator/test/bench/process"
	"github.com/csi-operator/csi-operator/test/bench/stats"
)

// targetMany is the number of this part's target.
const targetMany = 8

// many is one driver with a pod on each of many nodes.
type many struct {
	*steady

	// failing are the pods that fail at once, spread over all, and their places.
	failing []*corev1.Pod
	places  []int
}

func (b *bench) many() *many {
	const name = "many.bench.example.com"
	return &many{steady: &steady{bench: b, name: name, names: workloadsOf(name)}}
}

// installed starts the operator and has it install the driver.
func (m *many) installed(ctx context.Context) (err error) {
	if m.operator, err = m.startOperator(ctx); err != nil {
		return err
	}
	if _, err := m.install(ctx, cluster.Operator, 0, []string{m.name}); err != nil {
		return errors.Join(err, m.operator.Stop(ctx))
	}
	return nil
}

// manyNodes measures target 8.
func (b *bench) manyNodes(ctx context.Context) (err error) {
	m := b.many()
	if err := m.installed(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.operator.Stop(ctx)) }()
	tell("memory with one driver, for %s", b.memory)
	alone, err := b.watchMemory(ctx, m.operator.PID)
	if err != nil {
		return err
	}
	if err := m.populate(ctx); err != nil {
		return err
	}
	if err := m.begin(ctx, alone); err != nil {
		return err
	}
	if err := m.bursts(ctx); err != nil {
		return err
	}
	if err := m.heartbeats(ctx); err != nil {
		return err
	}
	tell("memory after all of it, for %s", b.memory)
	after, err := b.watchMemory(ctx, m.operator.PID)
	b.report.explain(targetMany, "the same after bursts and heartbeats", "MiB", after.Median-alone.Median, fmt.Sprintf("now %.1f", after.Median))
	return err
}

// populate makes the pods of others, the controller's pods, and all nodes while the
// operator looks on.
func (m *many) populate(ctx context.Context) error {
	if err := m.foreignPods(ctx, func(i int) string { return ownNode(i % m.ownNodes) }); err != nil {
		return err
	}
	if err := m.runController(ctx); err != nil {
		return err
	}
	set := m.daemonSet()
	if err := m.cluster.Get(ctx, client.ObjectKeyFromObject(set), set); err != nil {
		return fmt.Errorf("reading the DaemonSet: %w", err)
	}
	m.failing, m.places = make([]*corev1.Pod, m.options.failing), make([]int, m.options.failing)
	for i := range m.places {
		m.places[i] = i * m.ownNodes / m.options.failing
	}
	tell("making %d nodes with a pod of the driver", m.ownNodes)
	e, err := m.effectOf(ctx, func() error { return m.join(ctx, set) }, func() error { return m.counts(ctx, m.ownNodes) })
	if err != nil {
		return err
	}
	m.report.burst(fmt.Sprintf("%d nodes join", m.ownNodes), e)
	return nil
}

// runController makes the controller's pods, one of which leads.
func (m *many) runController(ctx context.Context) error {
	deployment := m.deployment()
	if err := m.cluster.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
		return fmt.Errorf("reading the Deployment: %w", err)
	}
	for i := range 2 {
		if err := m.run(ctx, m.pod(deployment.Name, ownNode(i)), deployment.Spec.Template); err != nil {
			return err
		}
	}
	if err := m.lead(ctx, m.pod(deployment.Name, ownNode(0)).Name); err != nil {
		return err
	}
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2,
	}
	if err := m.cluster.Status().Update(ctx, deployment); err != nil {
		return fmt.Errorf("telling that the controller is ready: %w", err)
	}
	return nil
}

// join makes all nodes, each of which runs the driver at once.
func (m *many) join(ctx context.Context, set *appsv1.DaemonSet) error {
	n := int32(m.ownNodes) //nolint:gosec // an option that nobody makes so large
	started := set.DeepCopy()
	started.Status = appsv1.DaemonSetStatus{ObservedGeneration: set.Generation, DesiredNumberScheduled: n, CurrentNumberScheduled: n, UpdatedNumberScheduled: n}
	if err := m.cluster.Status().Update(ctx, started); err != nil {
		return fmt.Errorf("telling how many nodes there are: %w", err)
	}
	return m.eachTold(ctx, m.ownNodes, func(done int) int { return done }, func(i int) error { return m.joinOne(ctx, set, i) })
}

func (m *many) joinOne(ctx context.Context, set *appsv1.DaemonSet, i int) error {
	node, pod := fullNode(i), daemonPod(set, i)
	if err := m.cluster.Create(ctx, node); err != nil {
		return fmt.Errorf("making a node: %w", err)
	}
	if err := m.cluster.Create(ctx, nodeLease(node)); err != nil {
		return fmt.Errorf("making the Lease of a node: %w", err)
	}
	if err := m.cluster.Create(ctx, pod); err != nil {
		return fmt.Errorf("making a node pod: %w", err)
	}
	if err := m.tellPod(ctx, pod, i, false); err != nil {
		return err
	}
	if err := m.cluster.Create(ctx, ownCSINode(node, m.name)); err != nil {
		return fmt.Errorf("registering the driver: %w", err)
	}
	for at, place := range m.places {
		if place == i {
			m.failing[at] = pod
		}
	}
	return nil
}

// tellPod patches the status of a node pod, as kubelet does.
func (m *many) tellPod(ctx context.Context, pod *corev1.Pod, i int, crashes bool) error {
	before := pod.DeepCopy()
	pod.Status = podStatus(pod, i, crashes)
	if err := m.cluster.Status().Patch(ctx, pod, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing the status of a node pod: %w", err)
	}
	return nil
}

// eachTold does something for each of n pods, many at once, and tells now and then, as the
// DaemonSet's controller does, how many are ready when some are done.
func (m *many) eachTold(ctx context.Context, n int, ready func(done int) int, do func(int) error) error {
	const every = 10
	var done atomic.Int64
	err := cluster.Each(n, func(i int) error {
		if err := do(i); err != nil {
			return err
		}
		if now := int(done.Add(1)); now%every == 0 {
			return m.tellReady(ctx, ready(now))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.tellReady(ctx, ready(n))
}

func (m *many) tellReady(ctx context.Context, ready int) error {
	return m.patchStatus(ctx, m.daemonSet(), fmt.Sprintf(`{"status":{"numberReady":%d,"numberAvailable":%d,"numberUnavailable":%d}}`, ready, ready, m.ownNodes-ready))
}

// counts is an error until the status tells of so many nodes on which the driver works, and
// is Ready only if it is all of them.
func (m *many) counts(ctx context.Context, working int) error {
	d := driver(m.name)
	if err := m.cluster.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
		return err
	}
	nodes, ready := d.Status.Nodes, meta.IsStatusConditionTrue(d.Status.Conditions, v1alpha1.ConditionReady)
	if int(nodes.Registered) != working || int(nodes.Ready) != working || ready != (working == m.ownNodes) {
		return fmt.Errorf("%d nodes have registered, %d are ready, Ready is %v: %+v", nodes.Registered, nodes.Ready, ready,
			meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionReady))
	}
	return nil
}

// begin starts the operator anew with all of it in place.
func (m *many) begin(ctx context.Context, alone stats.Summary) error {
	tell("restarting the operator")
	if err := m.operator.Stop(ctx); err != nil {
		return err
	}
	mark, err := m.cluster.Audit.Mark()
	if err != nil {
		return err
	}
	if m.operator, err = m.startOperator(ctx); err != nil {
		return err
	}
	if err := await(ctx, "the operator has reconciled", func() error { return reconciled(ctx, m.operator) }); err != nil {
		return err
	}
	if err := m.calm(ctx, cluster.Operator, mark); err != nil {
		return err
	}
	spent, err := process.CPU(m.operator.PID)
	if err != nil {
		return err
	}
	records, err := m.cluster.Audit.Since(mark)
	if err != nil {
		return err
	}
	tell("memory with %d nodes, for %s", m.ownNodes, m.memory)
	now, err := m.watchMemory(ctx, m.operator.PID)
	if err != nil {
		return err
	}
	m.report.begun(records.Where(audit.By(cluster.Operator)), spent, alone, now)
	return nil
}

func reconciled(ctx context.Context, o *process.Operator) error {
	if n, err := o.Reconciles(ctx); n == 0 || err != nil {
		return errors.Join(errors.New("it has not"), err)
	}
	return nil
}

// bursts lets many pods fail at once, and recover.
func (m *many) bursts(ctx context.Context) error {
	n := len(m.failing)
	for _, crash := range []bool{true, false} {
		what, working, ready := fmt.Sprintf("%d pods recover", n), m.ownNodes, func(done int) int { return m.ownNodes - n + done }
		if crash {
			what, working, ready = fmt.Sprintf("%d pods fail", n), m.ownNodes-n, func(done int) int { return m.ownNodes - done }
		}
		tell("%s at once", what)
		e, err := m.effectOf(ctx, func() error {
			return m.eachTold(ctx, n, ready, func(i int) error { return m.tellPod(ctx, m.failing[i], m.places[i], crash) })
		}, func() error { return m.counts(ctx, working) })
		if err != nil {
			return err
		}
		m.report.burst(what, e)
	}
	return nil
}

// heartbeats has each node tell once that it lives, in both ways.
func (m *many) heartbeats(ctx context.Context) error {
	tell("%d nodes tell that they live", m.ownNodes)
	e, err := m.effectOf(ctx, func() error {
		return cluster.Each(m.ownNodes, func(i int) error { return m.heartbeat(ctx, ownNode(i)) })
	}, func() error { return nil })
	if err != nil {
		return err
	}
	m.report.heartbeats(m.ownNodes, e)
	return nil
}

func (m *many) heartbeat(ctx context.Context, name string) error {
	now := time.Now().UTC()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	beat := `{"status":{"conditions":[`
	for i, c := range nodeConditions(metav1.NewTime(now)) {
		if i > 0 {
			beat += ","
		}
		beat += fmt.Sprintf(`{"type":%q,"lastHeartbeatTime":%q}`, c.Type, now.Add(time.Second).Format(time.RFC3339))
	}
	if err := m.cluster.Status().Patch(ctx, node, client.RawPatch(types.StrategicMergePatchType, []byte(beat+"]}}"))); err != nil {
		return fmt.Errorf("patching the status of a node: %w", err)
	}
	return m.merge(ctx, nodeLease(node), fmt.Sprintf(`{"spec":{"renewTime":%q}}`, now.Format(metav1.RFC3339Micro)))
}
