// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Uids and gids of containers.
const (
	root    = 0
	nonRoot = 65532
)

// driverContainer is the driver as a part has it: defaults, what the spec says in its
// own fields, and what its fragments say.
func (in *inputs) driverContainer(p part) (corev1.Container, error) {
	shared, own := in.spec.Driver, p.Driver
	image := cmp.Or(own.Image, shared.Image, in.image)
	if image == "" {
		return corev1.Container{}, invalid(p.field+".driver.image", "is required for source Custom: name the image of the driver here or in spec.driver.image")
	}
	needs, err := readResources("spec.driver.resources", shared.Resources, defaultDriverResources())
	if err != nil {
		return corev1.Container{}, err
	}
	if needs, err = readResources(p.field+".driver.resources", own.Resources, needs); err != nil {
		return corev1.Container{}, err
	}
	c := container(v1alpha1.DriverContainer, image,
		in.bundledArgs(p),
		given(shared.Args), given(own.Args),
		in.injected(p),
		variables(shared.Env...), variables(own.Env...),
		healthOf(p),
		ports(shared.Ports...), ports(own.Ports...),
		resources(needs),
		mount(corev1.VolumeMount{Name: volumeSocket, MountPath: p.socket.mountPath}),
		in.driverMounts(p),
		in.driverConfinement(p),
	)
	c.EnvFrom = shared.EnvFrom
	if own.EnvFrom != nil {
		c.EnvFrom = own.EnvFrom
	}
	first, err := readLayer("spec.driver", shared.Remove, shared.Container)
	if err != nil {
		return corev1.Container{}, err
	}
	first.anywhere = true
	if in.bundled && (first.fragment["args"] != nil || first.fragment["command"] != nil) {
		return corev1.Container{}, invalid("spec.driver.container", "args and command are decided by the bundled driver itself; leave them out")
	}
	last, err := readLayer(p.field+".driver", own.Remove, own.Container)
	if err != nil {
		return corev1.Container{}, err
	}
	if in.bundled && (last.fragment["args"] != nil || last.fragment["command"] != nil) {
		return corev1.Container{}, invalid(p.field+".driver.container", "args and command are decided by the bundled driver itself; leave them out")
	}
	return layered(c, []layer{first, last}, in.found)
}

// layered is a container with layers laid over it.
func layered(c corev1.Container, layers []layer, f found) (corev1.Container, error) {
	t, err := treeOf(&c)
	if err != nil {
		return c, err
	}
	for _, l := range layers {
		if t, err = l.apply(t, corev1.Container{}, f); err != nil {
			return c, err
		}
	}
	var out corev1.Container
	if err := into(t, &out); err != nil {
		return c, err
	}
	return coherent(out), nil
}

// coherent drops a default that contradicts a wish: the API server takes no privileged
// container that may not gain rights.
func coherent(c corev1.Container) corev1.Container {
	if s := c.SecurityContext; s != nil && orDefault(s.Privileged, false) && !orDefault(s.AllowPrivilegeEscalation, true) {
		s.AllowPrivilegeEscalation = nil
	}
	return c
}

// given replaces the command line, also by an empty one.
func given(list []string) containerEdit {
	return func(c *corev1.Container) {
		if list != nil {
			c.Args = slices.Clone(list)
		}
	}
}

// injected is the environment that every driver gets unless it does not want it.
func (in *inputs) injected(p part) containerEdit {
	if !orDefault(p.Driver.InjectEnv, orDefault(in.spec.Driver.InjectEnv, true)) {
		return env()
	}
	return env(
		corev1.EnvVar{Name: "CSI_ENDPOINT", Value: endpointIn(p.os, p.socket.mountPath, p.socket.file)},
		sidecar.PodField("KUBE_NODE_NAME", "spec.nodeName"),
		sidecar.PodField("POD_NAME", "metadata.name"),
		sidecar.PodField("POD_NAMESPACE", "metadata.namespace"),
	)
}

// variables sets variables, each in the place of the one of its name.
func variables(list ...corev1.EnvVar) containerEdit {
	return func(c *corev1.Container) {
		for _, v := range list {
			at := slices.IndexFunc(c.Env, func(old corev1.EnvVar) bool { return old.Name == v.Name })
			if at < 0 {
				c.Env = append(c.Env, v)
				continue
			}
			c.Env[at] = v
		}
	}
}

// ports declares ports, each in the place of the one of its number and protocol.
func ports(list ...corev1.ContainerPort) containerEdit {
	return func(c *corev1.Container) {
		for _, p := range list {
			p.Protocol = cmp.Or(p.Protocol, corev1.ProtocolTCP)
			c.Ports = slices.DeleteFunc(c.Ports, func(old corev1.ContainerPort) bool {
				return old.ContainerPort == p.ContainerPort && old.Protocol == p.Protocol
			})
			c.Ports = append(c.Ports, p)
		}
	}
}

// healthOf has kubelet ask livenessprobe, which asks the driver; without that sidecar
// nobody asks. In the network of the node a port is not declared: it is open to the node
// only.
func healthOf(p part) containerEdit {
	at := slices.IndexFunc(p.sidecars, func(s runningSidecar) bool { return s.Role == sidecar.LivenessProbe })
	if at < 0 || p.askedAt(p.sidecars[at]) == 0 {
		return func(*corev1.Container) {}
	}
	host, number := p.sidecars[at].Endpoint(p.sidecars[at].args)
	return func(c *corev1.Container) {
		if !p.hostNetwork {
			port(healthPort, number)(c)
		}
		liveness(&corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Host: host, Path: sidecar.DriverHealthPath, Port: intstr.FromInt32(number)},
			},
			InitialDelaySeconds: 10,
			TimeoutSeconds:      probeTimeout(p.sidecars[at].args),
			PeriodSeconds:       10,
			FailureThreshold:    5,
		})(c)
	}
}

// probeTimeout is longer than livenessprobe waits for the driver, or kubelet would not hear
// the answer.
func probeTimeout(args []string) int32 {
	const usual = 3
	text, _ := sidecar.Flag(args, "probe-timeout")
	patience, err := time.ParseDuration(text)
	if err != nil {
		return usual
	}
	return max(usual, int32(min(math.Ceil(patience.Seconds()), math.MaxInt32-1))+1)
}

// healthPort is the name of the port at which livenessprobe answers.
const healthPort = "healthz"

// driverMounts are what a driver mounts in, beside its socket.
func (in *inputs) driverMounts(p part) containerEdit {
	var list []corev1.VolumeMount
	if in.bundled {
		list = append(list, poolMount(in.pool))
	}
	for _, m := range p.mounts {
		list = append(list, kubeletMount(p, m.Path))
	}
	if in.bundled && p.serve(sidecar.Node) {
		list = append(list, corev1.VolumeMount{Name: volumeDevices, MountPath: "/dev"})
	}
	return mount(list...)
}

// driverConfinement lets a driver mount for the node where it has to, and nothing else
// gain rights.
func (in *inputs) driverConfinement(p part) containerEdit {
	switch {
	case p.windows():
		return func(*corev1.Container) {}
	case in.bundled && p.serve(sidecar.Node):
		return privileged
	case in.bundled:
		return unprivileged(root)
	case len(p.mounts) > 0:
		return func(c *corev1.Container) { c.SecurityContext = &corev1.SecurityContext{Privileged: new(true)} }
	default:
		return func(c *corev1.Container) {
			c.SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: new(false)}
		}
	}
}

// kubeletMount has the path of the node. What a container of Linux mounts there appears
// on the node and in other pods.
func kubeletMount(p part, below string) corev1.VolumeMount {
	m := corev1.VolumeMount{Name: kubeletVolume(below), MountPath: join(p.os, p.kubelet, below)}
	if !p.windows() {
		m.MountPropagation = new(corev1.MountPropagationBidirectional)
	}
	return m
}
