// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// readArgs makes the command line: the catalogue's, and what the layers take away and
// add. Ports, probes, environment and rights follow from it, so it is known before the
// container is made.
func (r *runningSidecar) readArgs(f found) error {
	r.args = r.Args(r.settings)
	for i, l := range r.layers {
		if err := r.changeArgs(l, f); err != nil {
			return err
		}
		r.layers[i] = l.withoutArgs()
	}
	return r.checkElection()
}

func (r *runningSidecar) changeArgs(l layer, f found) error {
	for _, rm := range l.removals {
		if rm.path == "args" {
			return invalid(rm.field, "takes the whole command line away; name the flags, such as args[--timeout]")
		}
		if !rm.ofArgs() {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(r.args), func(arg string) bool { return isFlag(arg, rm.steps[0].key) })
		if err := f.note(l, rm, len(kept) < len(r.args)); err != nil {
			return err
		}
		r.args = kept
	}
	if given, ok := l.fragment["args"].([]any); ok {
		r.args = nil
		for i, arg := range given {
			text := fmt.Sprint(arg)
			if err := r.checkFlag(fmt.Sprintf("%s.container.args[%d]", l.field, i), text); err != nil {
				return err
			}
			r.args = append(r.args, text)
		}
	}
	for i, flag := range l.flags {
		if err := r.addFlag(fmt.Sprintf("%s.extraArgs[%d]", l.field, i), flag); err != nil {
			return err
		}
	}
	return nil
}

// checkFlag refuses a flag over which the sidecar would end at once. What has no dash is
// the value of the flag before it.
func (r *runningSidecar) checkFlag(field, flag string) error {
	name, _, _ := strings.Cut(flag, "=")
	if !strings.HasPrefix(name, "-") {
		return nil
	}
	if known, all := r.TakesFlag(strings.TrimLeft(name, "-")); !known {
		return invalid(field, "%s %s does not know %s and would end at once; it knows %s", r.Name, r.Version, name, strings.Join(all, ", "))
	}
	if elsewhere, given := sidecar.Flag([]string{flag}, "leader-election-namespace"); given && elsewhere != r.namespace && elsewhere != "$(POD_NAMESPACE)" {
		return invalid(field, "the sidecar may use Leases in the namespace of the pods only, which is %q", r.namespace)
	}
	gates, _ := sidecar.Flag([]string{flag}, "feature-gates")
	for item := range strings.SplitSeq(gates, ",") {
		gate, _, _ := strings.Cut(item, "=")
		if known, all := r.TakesGate(gate); gate != "" && !known {
			return invalid(field, "%s %s does not know the gate %s and would end at once; it knows %s", r.Name, r.Version, gate, orNone(all))
		}
	}
	return nil
}

// instead are flags that a sidecar refuses beside --http-endpoint.
var instead = [...]string{"metrics-address", "health-port"}

// checkElection refuses durations that no election can have, and an election among sidecars
// that each work for their own node.
func (r *runningSidecar) checkElection() error {
	if r.Lease == nil || !r.elects() {
		return nil
	}
	if r.settings.PerNode {
		return invalid(r.electionField+".extraArgs", "%s elects no leader in the pods of nodes, each of which has work of its own; leave --leader-election out", r.Name)
	}
	lasts := [...]time.Duration{leaseDuration, renewDeadline, retryPeriod}
	for i, name := range [...]string{"lease-duration", "renew-deadline", "retry-period"} {
		text, given := sidecar.Flag(r.args, "leader-election-"+name)
		if !given {
			continue
		}
		var err error
		if lasts[i], err = time.ParseDuration(text); err != nil {
			return invalid(r.electionField+".extraArgs", "--leader-election-%s: %q is no duration; write it as 15s", name, text)
		}
	}
	return r.checkDurations(lasts[0], lasts[1], lasts[2])
}

// addFlag adds a flag in the place of the one of its name.
func (r *runningSidecar) addFlag(field, flag string) error {
	if err := r.checkFlag(field, flag); err != nil {
		return err
	}
	name, _, _ := strings.Cut(flag, "=")
	if slices.ContainsFunc(instead[:], func(other string) bool { return isFlag(flag, "--"+other) }) {
		r.args = slices.DeleteFunc(r.args, func(arg string) bool { return isFlag(arg, "--http-endpoint") })
	}
	if at := slices.IndexFunc(r.args, func(arg string) bool { return isFlag(arg, name) }); at >= 0 {
		r.args[at] = flag
		return nil
	}
	r.args = append(r.args, flag)
	return nil
}

// ofArgs tells whether a removal takes one flag.
func (rm removal) ofArgs() bool {
	return len(rm.steps) == 1 && rm.steps[0].field == "args" && rm.steps[0].key != ""
}

// withoutArgs is what a layer says about the rest of the container.
func (l layer) withoutArgs() layer {
	l.removals = slices.DeleteFunc(slices.Clone(l.removals), removal.ofArgs)
	if _, given := l.fragment["args"]; given {
		l.fragment = maps.Clone(l.fragment)
		delete(l.fragment, "args")
	}
	return l
}
