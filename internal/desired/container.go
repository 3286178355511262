// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	corev1 "k8s.io/api/core/v1"
)

// containerEdit sets one thing of a container.
type containerEdit func(*corev1.Container)

// container is what all containers have in common, then edits.
func container(name, image string, edits ...containerEdit) corev1.Container {
	c := corev1.Container{
		Name:  name,
		Image: image,
		// A sidecar says why it ended in its log only.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	for _, edit := range edits {
		edit(&c)
	}
	return c
}

// sidecarContainers are the containers of p's sidecars.
func (in *inputs) sidecarContainers(p part) ([]corev1.Container, error) {
	list := make([]corev1.Container, 0, len(p.sidecars))
	for _, s := range p.sidecars {
		c, err := layered(in.sidecarContainer(p, s), s.layers, in.found)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func (in *inputs) sidecarContainer(p part, s runningSidecar) corev1.Container {
	health := func(*corev1.Container) {}
	if number := p.askedAt(s); s.HealthPath != "" && number != 0 {
		health = func(c *corev1.Container) {
			liveness(s.Liveness(s.args))(c)
			if !p.hostNetwork {
				port(s.PortName, number)(c)
			}
		}
	}
	mounts := s.Mounts
	for i := range mounts {
		mounts[i].MountPath = native(p.os, mounts[i].MountPath)
	}
	return container(s.Name, s.image,
		args(s.args...),
		env(s.Env(s.args)...),
		health,
		resources(s.resources),
		mount(corev1.VolumeMount{Name: volumeSocket, MountPath: s.mountPath}),
		mount(mounts...),
		in.sidecarConfinement(p),
	)
}

// askedAt is the port at which kubelet can ask a sidecar for health; 0 for none. What
// listens on the loopback interface of a pod kubelet does not reach.
func (p part) askedAt(s runningSidecar) int32 {
	host, number := s.Endpoint(s.args)
	if host != "" && !p.hostNetwork {
		return 0
	}
	return number
}

// sidecarConfinement takes from sidecars all that they do not need. Who they are is left
// to the image and the pod where the driver is not ours: they must reach its socket.
func (in *inputs) sidecarConfinement(p part) containerEdit {
	switch {
	case p.windows():
		return func(*corev1.Container) {}
	case in.bundled && p.kind == kindDaemonSet:
		return unprivileged(root) // the socket on the node is root's
	case in.bundled:
		return unprivileged(nonRoot)
	default:
		return confined
	}
}

func args(list ...string) containerEdit {
	return func(c *corev1.Container) { c.Args = append(c.Args, list...) }
}

func env(list ...corev1.EnvVar) containerEdit {
	return func(c *corev1.Container) { c.Env = append(c.Env, list...) }
}

// port declares a TCP port; 0 declares none.
func port(name string, number int32) containerEdit {
	return func(c *corev1.Container) {
		if number != 0 {
			c.Ports = append(c.Ports, corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: corev1.ProtocolTCP})
		}
	}
}

func resources(r corev1.ResourceRequirements) containerEdit {
	return func(c *corev1.Container) { c.Resources = *r.DeepCopy() }
}

func mount(list ...corev1.VolumeMount) containerEdit {
	return func(c *corev1.Container) { c.VolumeMounts = append(c.VolumeMounts, list...) }
}

// startPeriod and startAttempts give a container five minutes to begin to
// answer. They end with its first answer.
const (
	startPeriod   = 2
	startAttempts = 150
)

// liveness restarts the container when probe fails; nil means never. No
// container here answers before the driver does, and none is at fault for it:
// until its first answer a container is starting, not dead.
func liveness(probe *corev1.Probe) containerEdit {
	return func(c *corev1.Container) {
		if probe == nil {
			return
		}
		c.LivenessProbe = probe
		c.StartupProbe = &corev1.Probe{
			ProbeHandler:        *probe.ProbeHandler.DeepCopy(),
			InitialDelaySeconds: startPeriod,
			PeriodSeconds:       startPeriod,
			FailureThreshold:    startAttempts,
			TimeoutSeconds:      probe.TimeoutSeconds,
		}
	}
}

// confined lets a container gain no rights beyond those of its user.
func confined(c *corev1.Container) {
	c.SecurityContext = &corev1.SecurityContext{
		Privileged:               new(false),
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// unprivileged is confined as a given user and group.
func unprivileged(uid int64) containerEdit {
	return func(c *corev1.Container) {
		confined(c)
		c.SecurityContext.RunAsUser = new(uid)
		c.SecurityContext.RunAsGroup = new(uid)
		c.SecurityContext.RunAsNonRoot = new(uid != root)
	}
}

// privileged lets a container mount for the whole node.
func privileged(c *corev1.Container) {
	c.SecurityContext = &corev1.SecurityContext{
		Privileged:             new(true),
		ReadOnlyRootFilesystem: new(true),
		RunAsUser:              new(int64(root)),
		RunAsNonRoot:           new(false),
	}
}
