// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// checkParts refuses workloads that would share what only one can have.
func checkParts(in inputs) error {
	names := map[string]string{}
	for _, p := range in.parts {
		for _, taken := range [...]struct{ field, key string }{
			{p.field + ".workloadName", "workload " + p.workloadName()},
			{p.field + ".serviceAccountName", "account " + p.accountName()},
		} {
			if other, known := names[taken.key]; known {
				return invalid(taken.field, "%s has that name already; choose another one", other)
			}
			names[taken.key] = p.field
		}
		if err := checkSockets(in.driver, p); err != nil {
			return err
		}
	}
	if err := checkSharedSocket(in.parts); err != nil {
		return err
	}
	if len(in.parts) == 0 {
		return invalid("spec.nodes", "there is nothing to run: the controller is disabled and there is no node pool")
	}
	return nil
}

// maxSocketPath is what a Unix socket's address has room for (sun_path, unix(7)).
const maxSocketPath = 107

// checkSockets refuses paths that no process could listen at.
func checkSockets(driver string, p part) error {
	if p.windows() {
		return nil
	}
	paths := map[string]string{p.field + ".socket": join(p.os, p.socket.mountPath, p.socket.file)}
	if p.socket.dir != "" {
		paths[p.field+".socket.dir"] = join(p.os, p.socket.dir, p.socket.file)
	}
	if p.serve(sidecar.Node) { // the kubelet connects to it
		paths[p.field+".kubeletRootDir"] = join(p.os, p.kubelet, "plugins_registry/"+driver+"-reg.sock")
	}
	for _, field := range slices.Sorted(maps.Keys(paths)) {
		if at := paths[field]; len(at) > maxSocketPath {
			return invalid(field, "the socket %s has %d bytes, and a path of one at most %d; choose a shorter one", at, len(at), maxSocketPath)
		}
	}
	return nil
}

// checkSharedSocket refuses one path on the nodes for two drivers: pools have nodes of their
// own, but a controller pod may be anywhere.
func checkSharedSocket(parts []part) error {
	for _, p := range parts {
		for _, other := range parts {
			at := join(p.os, p.socket.dir, p.socket.file)
			if p.kind != kindDaemonSet && other.kind == kindDaemonSet && p.socket.dir != "" && at == join(other.os, other.socket.dir, other.socket.file) {
				return invalid(p.field+".socket.dir", "%s is the socket of the node pods of %s as well; choose another directory, or leave it out", at, other.field)
			}
		}
	}
	return nil
}

// checkWishes refuses sidecars that are wanted and cannot run, and attachment that nobody
// would do.
func checkWishes(in *inputs) error {
	shared := in.spec.Sidecars
	for _, s := range sidecar.Catalogue() {
		if wish := specOf(shared, s.Role).Enabled; orDefault(wish, false) && !in.runs(s.Role) && !in.denied(s.Role) && !in.lacks(s.Name) {
			return invalid("spec.sidecars."+string(s.Role)+".enabled", "there is no pod for it: %s runs beside the %s service", s.Name, s.Placements[0])
		}
		for _, p := range in.parts {
			if wish := specOf(p.Sidecars, s.Role).Enabled; wish != nil && *wish && !p.runs(s.Role) && !in.lacks(s.Name) {
				return invalid(p.field+".sidecars."+string(s.Role)+".enabled", "%s runs beside the %s service", s.Name, s.Placements[0])
			}
		}
	}
	attach := in.csiDriverSpec().AttachRequired
	if orDefault(attach, false) && !in.runs(sidecar.Attacher) && !in.denied(sidecar.Attacher) {
		err := in.unable("spec.csiDriver.attachRequired", "attachRequired", "an attacher: report "+sidecar.PublishVolume+
			", or say by sidecars.attacher.enabled: false that the driver attaches by itself")
		if err != nil {
			return err
		}
		in.spec.CSIDriver.AttachRequired = nil // which nobody would do
	}
	if in.capacity && !in.runs(sidecar.Provisioner) {
		in.capacity = false // which nobody would publish
		return in.unable("spec.storageCapacity", "storageCapacity", "a provisioner, which publishes it")
	}
	return nil
}

// checkRights refuses rights of pods that there are not.
func (in *inputs) checkRights() error {
	given := in.spec.RBAC
	for _, of := range [...]struct {
		field   string
		rules   []rbacv1.PolicyRule
		service sidecar.Placement
	}{
		{"controller", given.Controller, sidecar.Controller},
		{"controllerNamespace", given.ControllerNamespace, sidecar.Controller},
		{"node", given.Node, sidecar.Node},
		{"nodeNamespace", given.NodeNamespace, sidecar.Node},
	} {
		if len(of.rules) > 0 && !slices.ContainsFunc(in.parts, func(p part) bool { return p.serve(of.service) }) {
			return invalid("spec.rbac."+of.field, "nobody would have these rights: there is no pod of the %s service", of.service)
		}
	}
	return nil
}

// denied tells whether the spec itself turns a sidecar off, in all parts or in one, which
// goes before what all of them were told.
func (in *inputs) denied(role sidecar.Role) bool {
	off := func(s v1alpha1.SidecarsSpec) bool { return !orDefault(specOf(s, role).Enabled, true) }
	return off(in.spec.Sidecars) || slices.ContainsFunc(in.parts, func(p part) bool { return off(p.Sidecars) })
}

// lacks tells whether it was told already that a sidecar is left out.
func (in *inputs) lacks(name string) bool {
	return slices.ContainsFunc(in.discovery.Lacking, func(l string) bool { return strings.HasPrefix(l, name+" ") })
}

// unable tells of a wish that cannot be met: a fault of the spec, unless the driver was
// asked what it can do.
func (in *inputs) unable(field, wish, needed string) error {
	if !in.discovery.Asked {
		return invalid(field, "needs %s", needed)
	}
	in.discovery.Lacking = append(in.discovery.Lacking, wish+" needs "+needed)
	return nil
}

// checkPorts refuses one port of the nodes for two pods that may meet there. Pools have
// nodes of their own.
func checkPorts(parts []part) error {
	taken := map[int32]v1alpha1.HostPort{}
	for _, p := range parts {
		if p.kind == kindDaemonSet {
			continue
		}
		for _, port := range p.ports() {
			taken[port.Port] = port
		}
	}
	for _, p := range parts {
		if p.kind != kindDaemonSet {
			continue
		}
		for _, port := range p.ports() {
			if other, known := taken[port.Port]; known {
				return invalid(p.field, "%s would take port %d of the nodes, which %s of %s has; give it another one", port.Container, port.Port, other.Container, other.Component)
			}
		}
	}
	return nil
}

// checkPod refuses pods that the API server would refuse, that could not work, or that the
// operator could not find again.
func checkPod(driver string, p part, t corev1.PodTemplateSpec) error {
	switch {
	case t.Spec.ServiceAccountName != p.accountName():
		return invalid(p.field+".pod.serviceAccountName", "is refused; use %s.serviceAccountName", p.field)
	case t.Spec.RestartPolicy != "" && t.Spec.RestartPolicy != corev1.RestartPolicyAlways:
		return invalid(p.field+".pod.restartPolicy", "%q is refused: a driver must always come back", t.Spec.RestartPolicy)
	}
	if err := checkLabels(driver, p, t.Labels); err != nil {
		return err
	}
	volumes, err := volumeNames(p.field+".pod.volumes", t.Spec.Volumes)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range slices.Concat(t.Spec.InitContainers, t.Spec.Containers) {
		field := p.field + ".pod.containers[" + c.Name + "]"
		if names[c.Name] {
			return invalid(field, "there are two containers of that name; call one of them otherwise")
		}
		names[c.Name] = true
		if err := checkContainer(field, c, volumes); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(t.Spec.Containers, func(c corev1.Container) bool { return c.Name == v1alpha1.DriverContainer }) {
		return invalid(p.field+".pod.remove", "containers[%s] cannot be removed: it is the driver", v1alpha1.DriverContainer)
	}
	return checkEndpoints(p, t.Spec)
}

// checkLabels wants the labels by which pods are found.
func checkLabels(driver string, p part, labels map[string]string) error {
	wanted := Labels(driver, p.component)
	for _, key := range [...]string{v1alpha1.LabelDeployment, v1alpha1.LabelComponent, v1alpha1.LabelManagedBy} {
		if labels[key] != wanted[key] {
			return invalid(p.field+".pod.labels["+key+"]", "is the operator's own; leave it as it is")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.SelectorLabels)) {
		if labels[key] != p.SelectorLabels[key] {
			return invalid(p.field+".pod.labels["+key+"]", "must be %q as in selectorLabels, or the workload finds no pod", p.SelectorLabels[key])
		}
	}
	return nil
}

func volumeNames(field string, volumes []corev1.Volume) (map[string]bool, error) {
	names := map[string]bool{}
	for _, v := range volumes {
		if names[v.Name] {
			return nil, invalid(field+"["+v.Name+"]", "there are two volumes of that name: kubeletMounts give names after their paths; choose another name or path")
		}
		names[v.Name] = true
	}
	return names, nil
}

// checkEndpoints refuses two sidecars that listen at one port, and sidecars whose command
// line is not the one that their ports, rights and environment were made for.
func checkEndpoints(p part, spec corev1.PodSpec) error {
	taken := portsOfOthers(p, spec)
	for _, s := range p.sidecars {
		_, number := s.Endpoint(s.args)
		if other, known := taken[number]; known && number != 0 {
			return invalid(p.field+".sidecars."+string(s.Role)+".extraArgs", "%s listens at port %d already; choose another one", other, number)
		}
		taken[number] = s.Name
		for _, c := range spec.Containers {
			if c.Name == s.Name && c.Image != s.image {
				return invalid(p.field+".pod.containers["+c.Name+"].image", "is refused, since flags and rights follow the version; use %s.sidecars.%s.image", p.field, s.Role)
			}
			if c.Name == s.Name && !slices.Equal(c.Args, s.args) {
				return invalid(p.field+".pod.containers["+c.Name+"].args", "is refused: use extraArgs and remove of %s.sidecars.%s", p.field, s.Role)
			}
		}
	}
	return nil
}

// portsOfOthers are the ports that containers declare that are no sidecars of ours, but
// for the one of livenessprobe, which the driver declares for the kubelet.
func portsOfOthers(p part, spec corev1.PodSpec) map[int32]string {
	taken := map[int32]string{}
	health := int32(0)
	for _, s := range p.sidecars {
		if s.Role == sidecar.LivenessProbe {
			_, health = s.Endpoint(s.args)
		}
	}
	for _, c := range spec.Containers {
		if slices.ContainsFunc(p.sidecars, func(s runningSidecar) bool { return s.Name == c.Name }) {
			continue
		}
		for _, port := range c.Ports {
			tcp := port.Protocol == "" || port.Protocol == corev1.ProtocolTCP
			if tcp && (c.Name != v1alpha1.DriverContainer || port.ContainerPort != health) {
				taken[port.ContainerPort] = c.Name
			}
		}
	}
	return taken
}

func checkContainer(field string, c corev1.Container, volumes map[string]bool) error {
	if c.Image == "" {
		return invalid(field+".image", "is required: no other container has that name")
	}
	for _, probe := range [...]struct {
		name  string
		given *corev1.Probe
	}{{"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe}, {"startupProbe", c.StartupProbe}} {
		if h := probe.given; h != nil && h.Exec == nil && h.GRPC == nil && h.HTTPGet == nil && h.TCPSocket == nil {
			return invalid(field+"."+probe.name, "asks nothing: there is no such probe to change; add httpGet, tcpSocket, grpc or exec")
		}
	}
	paths := map[string]bool{}
	for _, m := range c.VolumeMounts {
		if paths[m.MountPath] {
			return invalid(fmt.Sprintf("%s.volumeMounts[%s]", field, m.MountPath), "two volumes are mounted there; choose another path")
		}
		paths[m.MountPath] = true
		if !volumes[m.Name] {
			return invalid(fmt.Sprintf("%s.volumeMounts[%s]", field, m.MountPath), "there is no volume %q: add it to volumes, or correct its name", m.Name)
		}
	}
	if strings.TrimSpace(c.Image) != c.Image {
		return invalid(field+".image", "%q has a space at an end; remove it", c.Image)
	}
	return nil
}
