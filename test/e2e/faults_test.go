// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// How long Kubernetes itself takes to notice, by its defaults and by the probes that the
// operator renders.
const (
	// atOnce: kubelet notices the end of a container, or a volume that cannot be mounted,
	// within a second, and the API server refuses a pod when it is created.
	atOnce = time.Second
	// byPull: containerd is refused at once by a registry that is not there.
	byPull = 5 * time.Second
	// byLiveness: the driver's livenessProbe fails five times, ten seconds apart, by a probe
	// that takes three, and the container has thirty to end.
	byLiveness = (5*10 + 3 + 30) * time.Second
	// byStartup: the driver's startupProbe fails within two seconds, and its first period
	// begins after two.
	byStartup = 7 * time.Second
	// byClass: the volume controller looks every fifteen seconds for the class of a claim.
	byClass = 15 * time.Second
	// byLease: a Lease lasts 15 seconds from its last renewal.
	byLease = 15 * time.Second
	// byRegistration: nothing in Kubernetes notices that kubelet is not told of a driver.
	// The registrar has twenty seconds to find the driver and kubelet.
	byRegistration = 20 * time.Second
	// byReboot: kubelet tells of its pods when it has started again.
	byReboot = 10 * time.Second
	// byNode: the node lifecycle controller of the local cluster gives a node 24 seconds
	// (--node-monitor-grace-period, 50 seconds by default) and looks every two.
	byNode = 26 * time.Second
)

// faultNamespace holds the drivers that fail.
const faultNamespace = "e2e-faults"

// faultyDriver is a driver of one controller pod and one pod on each node.
func faultyDriver(t *testing.T, name string) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	capabilities := []string{"Identity/CONTROLLER_SERVICE", "Controller/CREATE_DELETE_VOLUME"}
	d := testDriver(name, claiming(capabilities...))
	d.Spec.Namespace = faultNamespace
	d.Spec.Capabilities = capabilities
	d.Spec.Controller.Replicas = new(int32(1))
	t.Cleanup(func() {
		if err := os.RemoveAll(dataOf(d.Name)); err != nil {
			t.Error(err)
		}
	})
	return d
}

// behaves changes how the driver's processes behave from their next call on.
func behaves(t *testing.T, d *v1alpha1.CSIDriverDeployment, behaviour string) {
	t.Helper()
	path := filepath.Join(dataOf(d.Name), "behaviour-"+d.Name)
	if err := os.WriteFile(path+".new", []byte(behaviour), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// rowSays is nil when the row of a container is not healthy and its message has all parts,
// and so has the condition SidecarsHealthy.
func rowSays(d *v1alpha1.CSIDriverDeployment, component, container string, parts ...string) func() error {
	return func() error {
		r, err := row(d, component, container)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if r.State == v1alpha1.SidecarHealthy || !strings.Contains(r.Message, part) {
				return fmt.Errorf("row of %s is %s, %q, want %q", container, r.State, r.Message, part)
			}
		}
		return notReady(d)
	}
}

// notReady is nil when the conditions agree that the driver is not well.
func notReady(d *v1alpha1.CSIDriverDeployment) error {
	for _, kind := range []string{v1alpha1.ConditionSidecarsHealthy, v1alpha1.ConditionReady} {
		if meta.IsStatusConditionTrue(d.Status.Conditions, kind) {
			return fmt.Errorf("%s is True", kind)
		}
	}
	return nil
}

// controllerFaults are those of what the spec names.
func controllerFaults(t *testing.T) {
	const controller = v1alpha1.ComponentController
	d := faultyDriver(t, "controller.faults.example.com")
	d.Spec.Nodes = []v1alpha1.NodePool{}
	d.Spec.StorageClasses = []v1alpha1.StorageClass{{Name: d.Name}}
	d.Spec.Sidecars.Provisioner = &v1alpha1.SidecarSpec{LeaderElection: v1alpha1.LeaderElectionSpec{Enabled: new(false)}} // each new pod works at once
	create(t, d)
	tellsWithin(t, "first-installation", 0, d, rowSays(d, controller, "driver", "0 of 1 ready"))
	await(t, "the driver is Ready", ready(d))
	record(t, "healthy-controller", d)
	heal := func(change func()) {
		t.Helper()
		changed(t, d, change)
		await(t, "the driver is well again", ready(d))
	}

	changed(t, d, func() { d.Spec.Controller.Driver.Image = "127.0.0.1:1/driver:v9.9.9" })
	tellsWithin(t, "wrong-image", byPull, d, rowSays(d, controller, "driver", "ImagePull", "127.0.0.1:1/driver:v9.9.9"))
	heal(func() { d.Spec.Controller.Driver.Image = "" })

	mounts := func(volume string) *runtime.RawExtension {
		return fragment(`{"volumes":[` + volume + `],"containers":[{"name":"driver","volumeMounts":[{"name":"absent","mountPath":"/absent"}]}]}`)
	}
	for name, volume := range map[string]string{
		"missing-secret":    `{"name":"absent","secret":{"secretName":"e2e-absent"}}`,
		"missing-configmap": `{"name":"absent","configMap":{"name":"e2e-absent"}}`,
	} {
		changed(t, d, func() { d.Spec.Controller.Pod = mounts(volume) })
		tellsWithin(t, name, byMount, d, rowSays(d, controller, "driver", "FailedMount", strings.TrimPrefix(name, "missing-")+` "e2e-absent" not found`))
	}
	heal(func() { d.Spec.Controller.Pod = nil })

	changed(t, d, func() { d.Spec.Controller.Pod = fragment(`{"nodeSelector":{"e2e":"nowhere"}}`) })
	tellsWithin(t, "unschedulable", atOnce, d, rowSays(d, controller, "driver", "Unschedulable", "didn't match Pod's node affinity/selector"))
	heal(func() { d.Spec.Controller.Pod = nil })

	changed(t, d, func() {
		d.Spec.Controller.Driver.Args = append(d.Spec.Controller.Driver.Args, "--behaviour=crash-at-start")
	})
	tellsWithin(t, "driver-exits", atOnce, d, rowSays(d, controller, "driver", "exit code 3"))
	if r, err := row(d, controller, "driver"); err != nil || !strings.Contains(r.Worst.LastMessage, "crashed as told") {
		t.Errorf("its last words are not told: %+v, %v", r.Worst, err)
	}
	args := d.Spec.Controller.Driver.Args
	heal(func() { d.Spec.Controller.Driver.Args = args[:len(args)-1] })

	changed(t, d, func() {
		d.Spec.Controller.Driver.Args = append(d.Spec.Controller.Driver.Args, "--behaviour=hang")
	})
	tellsWithin(t, "driver-hangs-at-start", byStartup, d, rowSays(d, controller, "driver", "Unhealthy", "Startup probe failed"))
	heal(func() { d.Spec.Controller.Driver.Args = args[:len(args)-1] })

	sidecarWithoutCapability(t, d)
	evicted(t, d)
	terminating(t, d)
	lacksRights(t, d)
}

// evicted gives a pod the status that kubelet writes when its node runs out of memory: the
// nodes of the local cluster are not to do that.
func evicted(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	victim := livePodOf(t, d, v1alpha1.ComponentController)
	victim.Status.Phase, victim.Status.Reason = corev1.PodFailed, "Evicted"
	victim.Status.Message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi."
	if err := shared.Status().Update(t.Context(), &victim); err != nil {
		t.Fatal(err)
	}
	tellsWithin(t, "evicted-pod", atOnce, d, rowSays(d, v1alpha1.ComponentController, "driver", "0 of 1 ready"))
	await(t, "another pod is Ready", ready(d))
}

// livePodOf is a pod of a component that does not end.
func livePodOf(t *testing.T, d *v1alpha1.CSIDriverDeployment, component string) corev1.Pod {
	t.Helper()
	pods := slices.DeleteFunc(podsOf(t, d.Name, component), func(p corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed
	})
	if len(pods) == 0 {
		t.Fatalf("%s has no live pod of %s", d.Name, component)
	}
	return pods[0]
}

// terminating holds a pod that is deleted; its successor counts, and it does not.
func terminating(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	const hold = "csi-operator.io/e2e-hold"
	victim := livePodOf(t, d, v1alpha1.ComponentController)
	setFinalizers(t, &victim, hold)
	if err := shared.Delete(t.Context(), &victim); err != nil {
		t.Fatal(err)
	}
	tellsWithin(t, "terminating-pod", atOnce, d, rowSays(d, v1alpha1.ComponentController, "driver", "0 of 1 ready"))
	await(t, "its successor is enough", ready(d))
	record(t, "terminating-pod-replaced", d)
	setFinalizers(t, &victim)
}

func setFinalizers(t *testing.T, o client.Object, finalizers ...string) {
	t.Helper()
	get(t, o)
	o.SetFinalizers(finalizers)
	if err := shared.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// byMount: kubelet tries to mount as soon as the pod is on its node, and tells of a failure
// by an event, for which the operator asks after five seconds.
const byMount = 5 * time.Second

// sidecarWithoutCapability has a sidecar run beside a driver that lacks what it needs.
func sidecarWithoutCapability(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	changed(t, d, func() { d.Spec.Capabilities = append(d.Spec.Capabilities, "Controller/EXPAND_VOLUME") })
	tellsWithin(t, "sidecar-without-capability", byStartup, d, rowSays(d, v1alpha1.ComponentController, "csi-resizer", "exit code"))
	changed(t, d, func() { d.Spec.Capabilities = d.Spec.Capabilities[:len(d.Spec.Capabilities)-1] })
	await(t, "the driver is well without it", ready(d))
}

// lacksRights takes the rights of the provisioner away while nobody puts them back.
func lacksRights(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	changed(t, d, func() { d.Spec.ManagementState = v1alpha1.Unmanaged })
	await(t, "it is not managed", func(ctx context.Context) error {
		if err := refetch(ctx, d); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionApplied); c == nil || c.ObservedGeneration != d.Generation {
			return fmt.Errorf("condition is %+v", c)
		}
		return nil
	})
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: desired.NamesOf(d.Name).Controller}}
	if err := shared.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	tellsWithin(t, "rights-missing", 0, d, rowSays(d, v1alpha1.ComponentController, "csi-provisioner", "its account lacks rights", binding.Name))
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: classOf(d)}}
	if err := shared.Delete(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	waits := claim("waits-for-its-class", class.Name, "16Mi")
	waits.Namespace = d.Spec.Namespace
	create(t, waits)
	tellsWithin(t, "class-missing", byClass, d, func() error {
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionClassesInSync)
		if want := "StorageClass " + class.Name + " is not there, and claims wait for it: " + waits.Namespace + "/" + waits.Name; c == nil || c.Message != want {
			return fmt.Errorf("condition is %+v, want %q", c, want)
		}
		return nil
	})
	changed(t, d, func() { d.Spec.ManagementState = v1alpha1.Managed })
	await(t, "the driver has its rights again", ready(d))
}

// nodeFaults are those of a driver and its kubelets.
func nodeFaults(t *testing.T) {
	const pool, registrar = v1alpha1.DefaultNodePool, "node-driver-registrar"
	d := faultyDriver(t, "nodes.faults.io")
	d.Spec.Controller.Disabled = true
	d.Spec.Controller.Driver.Args = nil
	d.Spec.Capabilities = []string{}
	wrong := dataOf(d.Name) + "/k"
	for _, folder := range []string{"pods", "plugins", "plugins_registry"} {
		if err := os.MkdirAll(filepath.Join(wrong, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.Spec.KubeletRootDir = wrong
	d.Spec.StartupTaint.Enabled = true
	startupTaint := corev1.Taint{Key: d.Name + "/agent-not-ready", Effect: corev1.TaintEffectPreferNoSchedule}
	taintNode(t, shared.nodeB, startupTaint)
	create(t, d)
	tellsWithin(t, "wrong-kubelet-root", byRegistration+startPatience, d, func() error {
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionNodesRegistered)
		if c == nil || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, wrong) {
			return fmt.Errorf("condition is %+v", c)
		}
		return rowSays(d, pool, registrar, "NotRegistered", "kubeletRootDir "+wrong)()
	})
	if !hasTaint(t.Context(), t, shared.nodeB, startupTaint) {
		t.Error("the startup taint is gone before the driver is registered")
	}
	changed(t, d, func() { d.Spec.KubeletRootDir = "/nonexistent" })
	tellsWithin(t, "absent-kubelet-root", byMount+startPatience, d, rowSays(d, pool, registrar, "FailedMount", "/nonexistent"))
	changed(t, d, func() { d.Spec.KubeletRootDir = "" })
	await(t, "the driver is registered", ready(d))
	record(t, "healthy-nodes", d)
	await(t, "the startup taint is gone", func(ctx context.Context) error {
		if hasTaint(ctx, t, shared.nodeB, startupTaint) {
			return errors.New("it is there")
		}
		return nil
	})

	victim := livePodOf(t, d, pool)
	kill(t, &victim, registrar)
	tellsWithin(t, "registrar-killed", atOnce, d, rowSays(d, pool, registrar, victim.Name, "exit code 137"))
	await(t, "the registrar runs again", ready(d))

	changed(t, d, func() {
		d.Spec.Nodes[0].Pod = fragment(`{"hostNetwork":true}`)
		d.Spec.Nodes[0].Sidecars.LivenessProbe = &v1alpha1.SidecarSpec{ExtraArgs: []string{"--http-endpoint=127.0.0.1:10248"}}
	})
	tellsWithin(t, "port-taken", atOnce+startPatience, d, rowSays(d, pool, "livenessprobe", "exit code"))
	if r, err := row(d, pool, "livenessprobe"); err != nil || !strings.Contains(r.Worst.LastMessage, "address already in use") {
		t.Errorf("its last words are not told: %+v, %v", r.Worst, err)
	}
	changed(t, d, func() { d.Spec.Nodes[0].Pod, d.Spec.Nodes[0].Sidecars.LivenessProbe = nil, nil })
	await(t, "the port is another one", ready(d))

	changed(t, d, func() { d.Spec.Nodes[0].Pod = fragment(`{"nodeSelector":{"e2e":"nowhere"}}`) })
	tellsWithin(t, "no-node-fits", atOnce, d, func() error {
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionNodesRegistered)
		if c == nil || c.Reason != v1alpha1.ReasonNoNodes {
			return fmt.Errorf("condition is %+v", c)
		}
		return nil
	})
	changed(t, d, func() {
		d.Spec.Nodes[0].Pod = fragment(`{"nodeSelector":{"kubernetes.io/hostname":"` + shared.nodeA + `"}}`)
	})
	await(t, "the driver is on one node", ready(d))
	record(t, "scaled-down-to-one-node", d)
}

// startPatience is how long the pods of a new driver may take to start on two cores.
const startPatience = 60 * time.Second

// processFaults are those of processes that run.
func processFaults(t *testing.T) {
	const controller, provisioner = v1alpha1.ComponentController, "csi-provisioner"
	d := faultyDriver(t, "processes.faults.example.com")
	d.Spec.Nodes = []v1alpha1.NodePool{}
	deployed(t, d)
	leader := livePodOf(t, d, controller)
	if r, err := row(d, controller, provisioner); err != nil || r.Leader != leader.Name {
		t.Errorf("the leader is %q, want %q: %v", r.Leader, leader.Name, err)
	}

	halted := halt(t, &leader, provisioner)
	tellsWithin(t, "lease-not-renewed", byLease, d, func() error {
		if r, err := row(d, controller, provisioner); err != nil || r.State == v1alpha1.SidecarHealthy || r.Leader != "" {
			return fmt.Errorf("row is %+v, %w", r, err)
		}
		return notReady(d)
	})
	resume(t, halted)
	await(t, "the provisioner leads again", ready(d))

	behaves(t, d, "hang")
	tellsWithin(t, "driver-hangs", byLiveness, d, rowSays(d, controller, "driver", "probe failed"))
	behaves(t, d, "normal")
	await(t, "the driver answers again", ready(d))

	changed(t, d, func() { d.Spec.Controller.Replicas = new(int32(2)) })
	tellsWithin(t, "scaling-up", 0, d, rowSays(d, controller, "driver", "1 of 2 ready"))
	await(t, "both pods are ready", ready(d))
	changed(t, d, func() { d.Spec.Controller.Replicas = new(int32(1)) })
	await(t, "one pod is enough", ready(d))
	record(t, "scaled-down", d)

	heldByTheDead(t, d)
}

// heldByTheDead removes a leader that cannot give its Lease back.
func heldByTheDead(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	dead := livePodOf(t, d, v1alpha1.ComponentController)
	halt(t, &dead, "csi-provisioner")
	if err := shared.Delete(t.Context(), &dead, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	tellsWithin(t, "lease-held-by-the-dead", byLease, d, rowSays(d, v1alpha1.ComponentController, "csi-provisioner", "is held by "+dead.Name+", which is gone"))
	await(t, "another one leads", ready(d))
}

// refusedPods are those that the API server does not let be created.
func refusedPods(t *testing.T) {
	const namespace = "e2e-refused"
	create(t, privilegedNamespace(namespace))
	d := faultyDriver(t, "refused.faults.example.com")
	d.Spec.Namespace = namespace
	deployed(t, d)

	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "none"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}
	create(t, quota)
	restart := func(value string) {
		t.Helper()
		volumes := `"volumes":[{"name":"data","hostPath":{"path":"` + dataOf(d.Name) + `"}}]`
		changed(t, d, func() { d.Spec.Pod = fragment(`{"annotations":{"e2e":"` + value + `"},` + volumes + `}`) })
	}
	restart("quota")
	tellsWithin(t, "quota", byMount, d, rowSays(d, v1alpha1.ComponentController, "driver", "exceeded quota"))
	remove(t, quota)
	await(t, "the driver is well without the quota", ready(d))

	enforce(t, namespace, "restricted")
	restart("security")
	tellsWithin(t, "pod-security", byMount, d, rowSays(d, v1alpha1.DefaultNodePool, "driver", "violates PodSecurity"))
	enforce(t, namespace, "privileged")
	await(t, "the driver is well again", ready(d))
}

// enforce sets the level of Pod Security of a namespace.
func enforce(t *testing.T, namespace, level string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	get(t, ns)
	patch := client.MergeFrom(ns.DeepCopy())
	ns.Labels["pod-security.kubernetes.io/enforce"] = level
	if err := shared.Patch(t.Context(), ns, patch); err != nil {
		t.Fatal(err)
	}
}

// taintNode adds a taint to a node, as a cloud does that makes one, and takes it off at the
// end where it is left.
func taintNode(t *testing.T, node string, taint corev1.Taint) {
	t.Helper()
	kubectl(t, "taint", "node", node, taint.Key+":"+string(taint.Effect))
	t.Cleanup(func() {
		if hasTaint(context.WithoutCancel(t.Context()), t, node, taint) {
			kubectl(t, "taint", "node", node, taint.Key+"-")
		}
	})
}

func hasTaint(ctx context.Context, t *testing.T, node string, taint corev1.Taint) bool {
	t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	if err := shared.Get(ctx, client.ObjectKeyFromObject(n), n); err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(n.Spec.Taints, func(has corev1.Taint) bool { return has.Key == taint.Key })
}
