// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// runningSidecar is a sidecar of one part with its settings.
type runningSidecar struct {
	sidecar.Sidecar

	namespace string // of the pods
	settings  sidecar.Settings
	image     string
	args      []string
	resources corev1.ResourceRequirements
	mountPath string
	layers    []layer
	// electionField is the place of the spec that says something about its election.
	electionField string
}

// elects tells whether one of several works.
func (r *runningSidecar) elects() bool {
	on, _ := sidecar.Flag(r.args, "leader-election")
	return on == "true"
}

// leaseOf is the name of the Lease by which it elects a leader; empty where it elects none.
func (r *runningSidecar) leaseOf(driver string) string {
	if r.Lease == nil || !r.elects() {
		return ""
	}
	return r.Lease(driver)
}

// retryPeriod is how often it tries to take its Lease; 0 where it elects no leader.
func (r *runningSidecar) retryPeriod() time.Duration {
	if r.Lease == nil || !r.elects() {
		return 0
	}
	text, _ := sidecar.Flag(r.args, "leader-election-retry-period")
	if given, err := time.ParseDuration(text); err == nil {
		return given
	}
	return retryPeriod
}

// source is one place of the spec that says something about a sidecar.
type source struct {
	field    string
	spec     v1alpha1.SidecarSpec
	defaults v1alpha1.SidecarDefaults
	shared   bool // by all parts
}

// sourcesOf are the places that say something about a role in a part, the nearest to
// the pod last.
func (in *inputs) sourcesOf(role sidecar.Role, p part) []source {
	shared, own := in.spec.Sidecars, p.Sidecars
	return []source{
		{field: "spec.sidecars", spec: specOf(shared, role), defaults: shared.Defaults, shared: true},
		{field: p.field + ".sidecars", spec: specOf(own, role), defaults: own.Defaults},
	}
}

func specOf(s v1alpha1.SidecarsSpec, role sidecar.Role) v1alpha1.SidecarSpec {
	given := map[sidecar.Role]*v1alpha1.SidecarSpec{
		sidecar.Provisioner:         s.Provisioner,
		sidecar.Attacher:            s.Attacher,
		sidecar.Resizer:             s.Resizer,
		sidecar.Snapshotter:         s.Snapshotter,
		sidecar.HealthMonitor:       s.HealthMonitor,
		sidecar.NodeDriverRegistrar: s.NodeDriverRegistrar,
		sidecar.LivenessProbe:       s.LivenessProbe,
	}[role]
	return *cmp.Or(given, &v1alpha1.SidecarSpec{})
}

// readSidecars decides which sidecars run in a part, and how.
func (in *inputs) readSidecars(p part) ([]runningSidecar, error) {
	var running []runningSidecar
	for at, s := range sidecar.Catalogue() {
		sources := in.sourcesOf(s.Role, p)
		image, err := in.imageOf(s, sources)
		if err != nil {
			return nil, err
		}
		s = s.At(image.version)
		wanted, err := in.wants(s, p, sources)
		if err != nil {
			return nil, err
		}
		if !wanted {
			continue
		}
		r, err := in.configure(s, p, sources)
		if err != nil {
			return nil, err
		}
		if p.hostNetwork {
			r.settings.Port, r.settings.Loopback = hostPort(in.driver, p.component, at), true
		}
		if err := r.readArgs(in.found); err != nil {
			return nil, err
		}
		r.image = image.name
		in.warn(image, s)
		running = append(running, r)
	}
	return running, nil
}

// wants decides whether a sidecar runs in a part.
func (in *inputs) wants(s sidecar.Sidecar, p part, sources []source) (bool, error) {
	target := s.Placements[0]
	if given := sources[0].spec.Placement; given != "" {
		target = sidecar.Placement(strings.ToLower(string(given)))
	}
	if !s.RunsBeside(target) {
		return false, invalid(sources[0].of(s.Role)+".placement", "%s cannot run beside the %s service", s.Name, target)
	}
	if sources[1].spec.Placement != "" {
		return false, invalid(sources[1].of(s.Role)+".placement", "is set in spec.sidecars, for all parts")
	}
	if !in.known() && s.Role != sidecar.LivenessProbe {
		return false, nil
	}
	here := p.serve(target) || s.Everywhere && slices.ContainsFunc(p.serves, s.RunsBeside)
	from := sources[0]
	if sources[1].spec.Enabled != nil {
		from = sources[1]
	}
	enabled := from.spec.Enabled
	if !here || enabled != nil && !*enabled {
		return false, nil
	}
	if enabled == nil {
		needed := s.Needed(in.capabilities)
		if needed && s.Role == sidecar.Snapshotter && !in.served.Snapshots {
			in.absent = s.Name + " is left out, since the cluster does not serve " + snapshotClassKind.GroupVersion().String()
			return false, nil
		}
		return needed, nil
	}
	if lacks := s.Lacks(in.capabilities); lacks != "" {
		if in.discovery.Asked { // nothing is wrong with the spec
			in.discovery.Lacking = append(in.discovery.Lacking, s.Name+" lacks "+lacks)
			return false, nil
		}
		return false, invalid(from.of(s.Role)+".enabled", "%s would end at once: the driver lacks %s", s.Name, lacks)
	}
	return true, nil
}

// of is the field of a role.
func (s source) of(role sidecar.Role) string { return s.field + "." + string(role) }

// configure fills in what the sources say, but for the command line.
func (in *inputs) configure(s sidecar.Sidecar, p part, sources []source) (runningSidecar, error) {
	r := runningSidecar{Sidecar: s, namespace: in.namespace, mountPath: p.socket.mountPath, resources: sidecar.DefaultResources()}
	r.settings = sidecar.Settings{
		LogLevel:   defaultLogLevel,
		HostSocket: join(p.os, p.socket.dir, p.socket.file),
		Port:       s.Port,
		PerNode:    !s.Everywhere && s.Placements[0] == sidecar.Controller && !p.serve(sidecar.Controller),
		Capacity:   in.capacity && s.Role == sidecar.Provisioner,
		OwnedBy:    p.kind,
	}
	if in.bundled && s.Role == sidecar.Provisioner {
		r.settings.DefaultFSType = bundledFSType
	}
	r.electionField = electionFieldOf(s.Role, sources)
	for _, from := range sources {
		if err := r.overlay(from); err != nil {
			return r, err
		}
	}
	if err := r.check(p.os, sources); err != nil {
		return r, err
	}
	r.settings.Address = join(p.os, r.mountPath, p.socket.file)
	if p.windows() {
		r.settings.Address = endpointIn(p.os, r.mountPath, p.socket.file)
	}
	if err := r.checkGates(sources); err != nil {
		return r, err
	}
	in.lookForGroups(&r)
	return r, nil
}

// lookForGroups turns on group snapshots where the driver and the cluster have them, and
// the spec does not say otherwise.
func (in *inputs) lookForGroups(r *runningSidecar) {
	const gate = sidecar.GroupSnapshotGate
	_, given := r.settings.Gates[gate]
	known, all := r.TakesGate(gate)
	if given || !known || len(all) == 0 || r.Role != sidecar.Snapshotter || !in.served.GroupSnapshots || !in.capabilities[sidecar.GroupSnapshot] {
		return
	}
	if r.settings.Gates == nil {
		r.settings.Gates = map[string]bool{}
	}
	r.settings.Gates[gate] = true
}

// defaultLogLevel is --v where nobody wants another.
const defaultLogLevel = 2

// overlay takes over what one source says.
func (r *runningSidecar) overlay(from source) error {
	field, spec, set := from.of(r.Role), from.spec, &r.settings
	set.LogLevel = orDefault(from.defaults.LogLevel, set.LogLevel)
	set.Timeout = cmp.Or(duration(spec.Timeout), set.Timeout)
	set.LeaseDuration = cmp.Or(duration(spec.LeaderElection.LeaseDuration), set.LeaseDuration)
	set.RenewDeadline = cmp.Or(duration(spec.LeaderElection.RenewDeadline), set.RenewDeadline)
	set.RetryPeriod = cmp.Or(duration(spec.LeaderElection.RetryPeriod), set.RetryPeriod)
	set.Alone = !orDefault(spec.LeaderElection.Enabled, !set.Alone)
	for gate, on := range spec.FeatureGates {
		if set.Gates == nil {
			set.Gates = map[string]bool{}
		}
		set.Gates[gate] = on
	}
	r.mountPath = cmp.Or(spec.SocketMountPath, r.mountPath)
	for _, resources := range []struct {
		field string
		given *corev1.ResourceRequirements
	}{{from.field + ".defaults.resources", from.defaults.Resources}, {field + ".resources", spec.Resources}} {
		var err error
		if r.resources, err = readResources(resources.field, resources.given, r.resources); err != nil {
			return err
		}
	}
	return r.addLayers(from, field)
}

func (r *runningSidecar) addLayers(from source, field string) error {
	shared, err := readLayer(from.field+".defaults", from.defaults.Remove, from.defaults.Container)
	if err != nil {
		return err
	}
	shared.anywhere = true
	if shared.fragment["image"] != nil {
		return invalid(from.field+".defaults.container.image", "is refused: sidecars have images of their own; use image of each")
	}
	own, err := readLayer(field, from.spec.Remove, from.spec.Container)
	if own.fragment["image"] != nil {
		return invalid(field+".container.image", "is refused, since flags and rights follow the version; use %s.image", field)
	}
	own.flags, own.anywhere = from.spec.ExtraArgs, from.shared
	r.layers = append(r.layers, shared, own)
	return err
}

// Durations of an election where nobody says otherwise, as the sidecars have them.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 5 * time.Second
)

// check refuses what a sidecar would end over, or could never do.
func (r *runningSidecar) check(os corev1.OSName, sources []source) error {
	for _, s := range sources {
		field, spec := s.of(r.Role), s.spec
		if t := spec.Timeout; t != nil && t.Duration <= 0 {
			return invalid(field+".timeout", "%s lets no call end well; give more than 0s", t.Duration)
		}
		if err := checkAbsolute(field+".socketMountPath", os, spec.SocketMountPath); err != nil {
			return err
		}
		if enabled := spec.LeaderElection.Enabled; enabled != nil && *enabled && r.settings.PerNode {
			return invalid(field+".leaderElection.enabled", "%s elects no leader in the pods of nodes, each of which has work of its own; leave it out", r.Name)
		}
	}
	return nil
}

func electionFieldOf(role sidecar.Role, sources []source) string {
	own := sources[len(sources)-1]
	if own.spec.LeaderElection != (v1alpha1.LeaderElectionSpec{}) || len(own.spec.ExtraArgs) > 0 {
		return own.of(role)
	}
	return sources[0].of(role)
}

// checkDurations refuses those over which the library of the election ends a sidecar.
func (r *runningSidecar) checkDurations(lease, renew, retry time.Duration) error {
	if lease <= renew || renew <= retry+retry/5 || retry <= 0 {
		return invalid(r.electionField+".leaderElection", "leaseDuration %s, renewDeadline %s and retryPeriod %s must each be longer than the next, the last by a fifth, or %s ends at once", lease, renew, retry, r.Name)
	}
	return nil
}

func duration(d *metav1.Duration) string {
	if d == nil {
		return ""
	}
	return d.Duration.String()
}

// checkGates refuses feature gates that a known version does not know, and exits over.
func (r *runningSidecar) checkGates(sources []source) error {
	for _, s := range sources {
		for _, gate := range slices.Sorted(maps.Keys(s.spec.FeatureGates)) {
			if known, all := r.TakesGate(gate); !known {
				return invalid(s.of(r.Role)+".featureGates["+gate+"]", "%s %s does not know it and would end at once; it knows %s", r.Name, r.Version, orNone(all))
			}
		}
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no gate"
	}
	return strings.Join(names, ", ")
}
