// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/internal/sidecar"
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

// sidecarContainers are the containers of p's sidecars, all confined alike.
func sidecarContainers(in inputs, p part, confinement containerEdit) []corev1.Container {
	settings := sidecar.Settings{HostSocket: in.pluginDir() + "/" + socketFile}
	list := make([]corev1.Container, 0, len(p.sidecars))
	for _, s := range p.sidecars {
		list = append(list, container(s.Name, s.Image(),
			args(s.Args(settings)...),
			env(s.Env...),
			port(s.PortName, s.Port),
			liveness(s.Liveness),
			resources(p.sidecarResources),
			mount(corev1.VolumeMount{Name: volumeSocket, MountPath: socketDir}),
			mount(s.Mounts...),
			confinement,
		))
	}
	return list
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

// unprivileged lets a container do no more than its user and group may.
func unprivileged(uid int64) containerEdit {
	return func(c *corev1.Container) {
		c.SecurityContext = &corev1.SecurityContext{
			Privileged:               new(false),
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			RunAsUser:                new(uid),
			RunAsGroup:               new(uid),
			RunAsNonRoot:             new(uid != root),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
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
