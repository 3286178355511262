// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// verdict is how one container of one pod does; a greater one is worse.
type verdict int

const (
	ready verdict = iota
	starting
	lost // the node stopped reporting, or restarted under the container
	failed
)

// finding is a verdict and, unless it is ready, what is the matter.
type finding struct {
	verdict verdict
	problem v1alpha1.ContainerProblem
}

// judge looks at the named container of a pod that is not over.
func judge(pod *corev1.Pod, name string) finding {
	f := finding{problem: v1alpha1.ContainerProblem{Pod: pod.Name, Node: pod.Spec.NodeName}}
	status := statusOf(pod, name)
	switch {
	case status == nil:
		f.judgeUnstarted(pod)
	case status.Ready:
		f.judgeReady(pod)
	case status.State.Waiting != nil:
		f.judgeWaiting(status)
	case status.State.Terminated != nil:
		f.judgeTerminated(status.State.Terminated)
	default:
		f.judgeTerminated(status.LastTerminationState.Terminated)
	}
	return f
}

// judgeDead tells of a pod that ended for good and is still wanted.
func judgeDead(pod *corev1.Pod) finding {
	reason := pod.Status.Reason
	if reason == "" {
		reason = "Pod" + string(pod.Status.Phase)
	}
	return finding{verdict: failed, problem: v1alpha1.ContainerProblem{
		Pod: pod.Name, Node: pod.Spec.NodeName, Reason: reason, LastMessage: Cut(pod.Status.Message),
	}}
}

// judgeUnstarted tells of a pod whose kubelet has not reported the container:
// no node was found, or the pod was made from a template without it.
func (f *finding) judgeUnstarted(pod *corev1.Pod) {
	f.verdict = starting
	c := podCondition(pod, corev1.PodScheduled)
	if c != nil && c.Status == corev1.ConditionFalse {
		f.problem.Reason = c.Reason
		f.problem.LastMessage = Cut(c.Message)
	}
}

// judgeReady doubts a ready container only if the pod as a whole is not ready
// although all its containers are: its node has stopped reporting.
func (f *finding) judgeReady(pod *corev1.Pod) {
	whole, containers := podCondition(pod, corev1.PodReady), podCondition(pod, corev1.ContainersReady)
	if whole == nil || containers == nil || whole.Status == corev1.ConditionTrue || containers.Status != corev1.ConditionTrue {
		return
	}
	f.verdict = lost
	f.problem.Reason = "NodeNotReady"
	if whole.Reason != "" {
		f.problem.Reason = whole.Reason
	}
	f.problem.LastMessage = Cut(whole.Message)
}

// judgeRegistration doubts a registrar that runs: one that the kubelet refuses ends, starts
// again, and looks well until it is refused again; one that kubelet does not find runs for
// ever.
func (f *finding) judgeRegistration(pod *corev1.Pod, v view) {
	status := statusOf(pod, sidecar.RegistrarContainer)
	if f.verdict != ready || status == nil || v.registry[nodeOf(pod)] == listed {
		return
	}
	last := status.LastTerminationState.Terminated
	switch {
	case last != nil && last.ExitCode != 0:
		f.verdict = failed
		f.problem.Reason = reasonNotRegistered
		f.end(last)
	case v.overdue[string(pod.UID)]:
		f.verdict = failed
		f.problem.Reason = reasonNotRegistered
		f.problem.LastMessage = Cut(v.unfound())
	}
}

// unfound says why kubelet may not know of a registrar that runs.
func (v view) unfound() string {
	if v.kubeletRoot == "" {
		return "kubelet has not asked for the driver"
	}
	return fmt.Sprintf("kubelet has not registered the driver; most likely kubeletRootDir %s is not the root directory of kubelet there, else NodeGetInfo of the driver hangs", v.kubeletRoot)
}

// judgeUncreated knows more of a pod that does not get so far: a volume cannot be mounted,
// or a sandbox not be made.
func (f *finding) judgeUncreated(pod *corev1.Pod, hints map[types.UID]Hint) {
	if hint, known := hints[pod.UID]; known && f.verdict == starting && uncreated(pod) {
		f.verdict = failed
		f.problem.Reason, f.problem.LastMessage = hint.Reason, Cut(hint.Message)
	}
}

// judgeUnready knows more of a container that is not ready and has not failed: why kubelet thinks so.
// That is no fault of one that starts for the first time, as drivers may take their time.
func (f *finding) judgeUnready(pod *corev1.Pod, container string, hints map[types.UID]Hint) {
	status, hint := statusOf(pod, container), hints[pod.UID]
	if f.verdict != starting || f.problem.Reason != "" || status == nil || !isSilent(*status) || hint.Container != container {
		return
	}
	f.problem.Reason, f.problem.LastMessage = hint.Reason, Cut(hint.Message)
	if status.State.Terminated != nil || status.LastTerminationState.Terminated != nil {
		f.verdict = failed
	}
}

func (f *finding) judgeWaiting(status *corev1.ContainerStatus) {
	w := status.State.Waiting
	f.problem.Reason = w.Reason
	if awaitsCreation(w.Reason) {
		f.verdict = starting
		return
	}
	if w.Reason == "ErrImagePull" { // alternates with the other at every attempt
		f.problem.Reason = "ImagePullBackOff"
	}
	f.verdict = failed
	if last := status.LastTerminationState.Terminated; last != nil {
		f.end(last)
	} else {
		f.problem.LastMessage = Cut(withoutBackOff(w.Message))
	}
}

// judgeTerminated tells of a container that is not ready and last ended as t
// says; nil if it never ended.
func (f *finding) judgeTerminated(t *corev1.ContainerStateTerminated) {
	f.verdict = starting
	if t == nil || t.ExitCode == 0 {
		return
	}
	f.verdict = failed
	if endedUnseen(t) {
		f.verdict = lost
	}
	f.problem.Reason = t.Reason
	f.end(t)
}

// endedUnseen tells a container that ended with its node from one that failed:
// after a reboot containerd (Unknown) or the kubelet (ContainerStatusUnknown)
// finds that it is no longer there.
func endedUnseen(t *corev1.ContainerStateTerminated) bool {
	return t.Reason == "Unknown" || t.Reason == "ContainerStatusUnknown"
}

// end takes over how the last run ended.
func (f *finding) end(t *corev1.ContainerStateTerminated) {
	f.problem.ExitCode = new(t.ExitCode)
	f.problem.LastMessage = Cut(lastWords(t.Message))
	if !t.FinishedAt.IsZero() {
		f.problem.FinishedAt = t.FinishedAt.DeepCopy()
	}
}

// withoutBackOff drops what kubelet puts before the cause of a failed pull
// while it waits, so that waiting and trying read alike.
func withoutBackOff(message string) string {
	if _, cause, found := strings.Cut(message, "ErrImagePull: "); found {
		return cause
	}
	return message
}

func statusOf(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func podCondition(pod *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == t {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}
