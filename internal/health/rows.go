// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// assessment is a row and whether it may be overlooked: see view.spares.
type assessment struct {
	v1alpha1.SidecarStatus
	spared bool
}

// assessRow judges one container over all pods of its workload.
func assessRow(row desired.Row, v view) assessment {
	s := v1alpha1.SidecarStatus{
		Component: row.Component,
		Name:      row.Name,
		Image:     row.Image,
		Version:   row.Version,
		Lease:     row.Lease,
		Desired:   v.desired,
	}
	s.Leader = v.leaderOf(row.Lease)
	running, worst := inspect(row.Name, v)
	s.Running = imagesOf(row, v.live)
	s.Ready = min(running, v.desired)
	s.State = stateOf(s, v.known, worst)
	var cause string
	switch {
	case s.State == v1alpha1.SidecarHealthy:
		s.State, cause = v.judgeWork(row)
		if s.State == v1alpha1.SidecarHealthy && !v.settled {
			cause = v.judgeRollout(&s, worst)
		}
	case worst == nil:
		cause = v.absence()
		if v.known && v.obstacle() != "" {
			s.State = failedState(s.Ready)
		}
	default:
		s.Worst = &worst.problem
		cause = describe(worst.problem)
	}
	if s.State == v1alpha1.SidecarHealthy {
		return assessment{SidecarStatus: s}
	}
	s.Message = Cut(fmt.Sprintf("%d of %d ready; %s", s.Ready, s.Desired, cause))
	return assessment{s, v.spares(s.Desired-s.Ready, worst)}
}

// judgeRollout tells how far a rollout is that leaves enough containers ready, and what is
// in its way: a new pod that fails, or cannot be made.
func (v view) judgeRollout(s *v1alpha1.SidecarStatus, worst *finding) string {
	progress := fmt.Sprintf("rolling out, %d of %d updated", v.updated, v.desired)
	s.State = v1alpha1.SidecarDegraded
	switch {
	case worst != nil && worst.verdict == failed:
		s.Worst = &worst.problem
		return progress + "; " + describe(worst.problem)
	case v.obstacle() != "":
		return progress + "; " + v.obstacle()
	case v.manual:
		s.State = v1alpha1.SidecarStarting
		return progress + "; the strategy is OnDelete, delete the old pods"
	default:
		s.State = v1alpha1.SidecarStarting
		return progress
	}
}

// judgeWork doubts a row whose containers are all ready: they do no work without rights and
// a leader. It returns what is the matter; nothing for a row that is healthy.
func (v view) judgeWork(row desired.Row) (v1alpha1.SidecarState, string) {
	if row.CallsAPI && v.ungranted != "" {
		return v1alpha1.SidecarDown, "its account lacks rights: " + v.ungranted
	}
	return v.judgeLease(row)
}

// fewNodes is how many nodes a driver can do without and still serve its
// cluster: a node that is new or reboots is no outage.
func fewNodes(desired int32) int32 { return max(1, desired/10) }

// spares says whether a shortage of pods is neither a fault nor a rollout: of
// three nodes and more, few are new, restart, or have stopped reporting. With
// fewer nodes, one is half of them.
func (v view) spares(missing int32, worst *finding) bool {
	return v.tolerant && v.settled && v.desired > 2 && missing > 0 && missing <= fewNodes(v.desired) &&
		(worst == nil || worst.verdict <= lost)
}

// inspect counts the pods in which the container is ready, and finds the one
// where it is worst off; the first by name of several. Pods that are over
// count only while there are too few that are not.
func inspect(container string, v view) (running int32, worst *finding) {
	consider := func(f finding) {
		if f.verdict != ready && (worst == nil || f.verdict > worst.verdict) {
			worst = &f
		}
	}
	for i := range v.live {
		f := v.judge(v.live[i], container)
		if f.verdict == ready {
			running++
		}
		consider(f)
	}
	if len(v.live) < int(v.desired) {
		for i := range v.dead {
			consider(judgeDead(v.dead[i]))
		}
	}
	return running, worst
}

// judge is what is known of a container of a pod in all.
func (v view) judge(pod *corev1.Pod, container string) finding {
	f := judge(pod, container)
	f.judgeUncreated(pod, v.hints)
	f.judgeUnready(pod, container, v.hints)
	if container == sidecar.RegistrarContainer {
		f.judgeRegistration(pod, v)
	}
	return f
}

func stateOf(s v1alpha1.SidecarStatus, known bool, worst *finding) v1alpha1.SidecarState {
	switch {
	case known && s.Ready >= s.Desired:
		return v1alpha1.SidecarHealthy
	case worst == nil || worst.verdict == starting:
		return v1alpha1.SidecarStarting
	default:
		return failedState(s.Ready)
	}
}

// failedState is the state of a row of which something has failed.
func failedState(ready int32) v1alpha1.SidecarState {
	if ready > 0 {
		return v1alpha1.SidecarDegraded
	}
	return v1alpha1.SidecarDown
}

// reasonNotRegistered is the reason of a registrar that the kubelet refuses.
const reasonNotRegistered = "NotRegistered"

// describe names pod, node and reason. What a container said at its end is
// left out, as log lines carry times; but for a refused registrar, whose last
// words are the driver's answer to the kubelet.
func describe(p v1alpha1.ContainerProblem) string {
	text := "pod " + p.Pod
	if p.Node != "" {
		text += " on " + p.Node
	}
	switch {
	case p.Reason == "":
		return text + " is not ready yet"
	case p.ExitCode != nil && p.Reason != reasonNotRegistered:
		return fmt.Sprintf("%s: %s (exit code %d)", text, p.Reason, *p.ExitCode)
	case p.LastMessage != "":
		return fmt.Sprintf("%s: %s: %s", text, p.Reason, p.LastMessage)
	default:
		return text + ": " + p.Reason
	}
}

func countHealthy(rows []v1alpha1.SidecarStatus) int {
	n := 0
	for _, r := range rows {
		if r.State == v1alpha1.SidecarHealthy {
			n++
		}
	}
	return n
}
