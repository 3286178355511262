// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// part is one workload: what the spec says about it, and then what comes of it.
type part struct {
	v1alpha1.Part
	// component is its label, field its place in the spec.
	component, field string
	// kind of the workload.
	kind string
	// serves are the CSI services of its driver container.
	serves []sidecar.Placement
	// name is what its roles are called; workload and account are called so unless
	// the spec knows better.
	name string
	os   corev1.OSName
	// kubelet is the root directory of the kubelet.
	kubelet string
	mounts  []v1alpha1.KubeletMount
	socket  socket
	// rules and namespaceRules are what the driver itself needs.
	rules, namespaceRules []rbacv1.PolicyRule

	replicas int32
	rollout  v1alpha1.RolloutSpec

	// podLayers say what is special about its pods, of which hostNetwork decides how
	// sidecars listen.
	podLayers   []layer
	hostNetwork bool

	sidecars []runningSidecar
	template corev1.PodTemplateSpec
}

// Kinds of workloads.
const (
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
	kindDaemonSet   = "DaemonSet"
)

// defaultReplicas lets a controller pod fail without an outage.
const defaultReplicas = 2

func (in *inputs) controllerPart() part {
	c := in.spec.Controller
	p := part{
		Part:      c.Part,
		component: v1alpha1.ComponentController,
		field:     "spec.controller",
		kind:      cmp.Or(string(c.Kind), kindDeployment),
		serves:    []sidecar.Placement{sidecar.Controller},
		name:      Name(in.driver, v1alpha1.ComponentController),
		os:        corev1.Linux,
		kubelet:   cmp.Or(in.spec.KubeletRootDir, defaultKubeletDir),
		mounts:    c.KubeletMounts,
		rules:     in.spec.RBAC.Controller,

		namespaceRules: in.spec.RBAC.ControllerNamespace,
	}
	if in.spec.Layout == v1alpha1.LayoutSinglePod {
		p.serves = append(p.serves, sidecar.Node)
		p.rules = slices.Concat(p.rules, in.spec.RBAC.Node)
		p.namespaceRules = slices.Concat(p.namespaceRules, in.spec.RBAC.NodeNamespace)
		if p.mounts == nil {
			p.mounts = defaultMounts(p.os)
		}
	}
	p.socket = readSocket(in.driver, p)
	return p
}

func (in *inputs) nodePart(at int, pool v1alpha1.NodePool) part {
	p := part{
		Part:      pool.Part,
		component: pool.Name,
		field:     fmt.Sprintf("spec.nodes[%d]", at),
		kind:      kindDaemonSet,
		serves:    []sidecar.Placement{sidecar.Node},
		name:      Name(in.driver, pool.Name),
		os:        cmp.Or(pool.OS, corev1.Linux),
		kubelet:   kubeletDirOf(in.spec.KubeletRootDir, pool),
		mounts:    pool.KubeletMounts,
		rules:     in.spec.RBAC.Node,

		namespaceRules: in.spec.RBAC.NodeNamespace,
		rollout: v1alpha1.RolloutSpec{
			Strategy:       cmp.Or(pool.Rollout.Strategy, in.spec.Rollout.Strategy),
			MaxUnavailable: cmp.Or(pool.Rollout.MaxUnavailable, in.spec.Rollout.MaxUnavailable, new(intstr.FromString("10%"))),
		},
	}
	if p.mounts == nil {
		p.mounts = defaultMounts(p.os)
	}
	p.socket = readSocket(in.driver, p)
	return p
}

// complete decides what runs in a part and renders its pods.
func (p *part) complete(in *inputs) error {
	var err error
	if p.podLayers, err = readPodLayers(in.spec.Pod, *p); err != nil {
		return err
	}
	if err := in.followPool(p); err != nil {
		return err
	}
	p.hostNetwork = p.wantsHostNetwork()
	if !in.known() && !in.inspects(*p) {
		return p.rehearse(in) // there is none of it yet
	}
	if p.sidecars, err = in.readSidecars(*p); err != nil {
		return err
	}
	if err := p.readReplicas(in.spec.Controller.Replicas); err != nil {
		return err
	}
	p.template, err = in.renderPod(*p)
	return err
}

// rehearse refuses what is wrong with a part whatever its sidecars will be: as long as
// nobody knows them, nothing else would tell.
func (p *part) rehearse(in *inputs) error {
	driver, err := in.driverContainer(*p)
	if err != nil {
		return err
	}
	layers := slices.Clone(p.podLayers)
	for i := range layers {
		layers[i].removals = nil // of sidecars, perhaps
	}
	p.template, err = in.fragmented(template(in.driver, *p, append(in.podDefaults(*p), volumes(in.volumesOf(*p)...), containers(driver))...), layers)
	return err
}

// followPool lets the controller of the bundled driver go where the node pods are, unless
// the spec knows better: it needs the pool's mount as well.
func (in *inputs) followPool(p *part) error {
	if !in.bundled || p.kind == kindDaemonSet || len(in.spec.Nodes) == 0 {
		return nil
	}
	own := p.podLayers[len(p.podLayers)-1].fragment
	if _, given := own["nodeSelector"]; given {
		return nil
	}
	nodes, err := decodePod("spec.nodes[0].pod", in.spec.Nodes[0].Pod)
	if selector, given := nodes["nodeSelector"]; given {
		p.podLayers = append(p.podLayers, layer{field: "spec.nodes[0].pod", fragment: tree{"nodeSelector": selector}})
	}
	return err
}

// readReplicas decides how many pods a controller has: more than one only if each
// sidecar of them elects a leader.
func (p *part) readReplicas(given *int32) error {
	if p.kind == kindDaemonSet {
		return nil
	}
	everybody := slices.IndexFunc(p.sidecars, func(s runningSidecar) bool { return s.Lease != nil && !s.elects() })
	p.replicas = orDefault(given, defaultReplicas)
	if given == nil && (everybody >= 0 || p.serve(sidecar.Node)) {
		p.replicas = 1
	}
	if p.replicas > 1 && everybody >= 0 {
		return invalid("spec.controller.replicas", "%d pods would all work at once, since %s elects no leader: turn on its leaderElection, or set replicas to 1", p.replicas, p.sidecars[everybody].Name)
	}
	return nil
}

func (p part) serve(service sidecar.Placement) bool { return slices.Contains(p.serves, service) }

func (p part) runs(role sidecar.Role) bool {
	return slices.ContainsFunc(p.sidecars, func(s runningSidecar) bool { return s.Role == role })
}

func (p part) windows() bool { return p.os == corev1.Windows }

// workloadName is what the workload is called.
func (p part) workloadName() string { return cmp.Or(p.WorkloadName, p.name) }

// accountName is what the ServiceAccount is called.
func (p part) accountName() string { return cmp.Or(p.ServiceAccountName, p.name) }

// defaultMounts are the directories of the kubelet that a driver mounts in.
func defaultMounts(os corev1.OSName) []v1alpha1.KubeletMount {
	if os == corev1.Windows {
		return []v1alpha1.KubeletMount{{}}
	}
	return []v1alpha1.KubeletMount{{Path: "pods"}, {Path: "plugins"}}
}
