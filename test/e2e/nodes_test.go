// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// nodeTool is the path of the local cluster's command, which acts on its nodes;
// empty where the cluster is another one.
type nodeTool string

// exec runs a command in a node's mount and network namespaces.
func (tool nodeTool) exec(ctx context.Context, node string, command ...string) (string, error) {
	args := append([]string{"node", "exec", node, "--"}, command...)
	out, err := exec.CommandContext(ctx, string(tool), args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// print runs a command of the tool that prints one line, such as the path of a file.
func (tool nodeTool) print(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, string(tool), args...).Output()
	if err != nil {
		return "", fmt.Errorf("localcluster %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// act stops, starts, cuts off, heals or reboots a node.
func (tool nodeTool) act(ctx context.Context, verb, node string) error {
	out, err := exec.CommandContext(ctx, string(tool), "node", verb, node).CombinedOutput()
	if err != nil {
		return fmt.Errorf("node %s %s: %w: %s", verb, node, err, out)
	}
	return nil
}

// guardSingleHolder watches all attachments while the test runs and fails it if
// two nodes are ever told at once that they hold one volume. On the local cluster
// it also keeps asking the nodes what they hold.
func guardSingleHolder(t *testing.T) {
	t.Helper()
	if shared.nodes != "" {
		guardNodes(t)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w, err := shared.clientset.StorageV1().VolumeAttachments().Watch(ctx, metav1.ListOptions{})
	if err != nil {
		cancel()
		t.Fatalf("watching attachments: %v", err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		holders := map[string]map[string]bool{}
		seen := 0
		for e := range w.ResultChan() {
			seen++
			if two := note(holders, e); two != "" {
				t.Error(two)
			}
		}
		switch {
		case ctx.Err() == nil:
			t.Error("the guard's watch ended before the test did")
		case seen == 0:
			t.Error("the guard saw no attachment at all")
		}
	})
	t.Cleanup(func() {
		cancel()
		w.Stop()
		done.Wait()
	})
}

// note keeps which nodes hold a volume; it answers a sentence when two do.
func note(holders map[string]map[string]bool, e watch.Event) string {
	a, ok := e.Object.(*storagev1.VolumeAttachment)
	if !ok || a.Spec.Source.PersistentVolumeName == nil {
		return ""
	}
	pv := *a.Spec.Source.PersistentVolumeName
	if holders[pv] == nil {
		holders[pv] = map[string]bool{}
	}
	if e.Type == watch.Deleted || !a.Status.Attached {
		delete(holders[pv], a.Spec.NodeName)
	} else {
		holders[pv][a.Spec.NodeName] = true
	}
	if len(holders[pv]) > 1 {
		return fmt.Sprintf("%s is held by several nodes at once: %v", pv, holders[pv])
	}
	return ""
}

// kill ends a container's first process as the kernel's OOM killer would. The
// containers of the local cluster are processes of this machine.
func kill(t *testing.T, pod *corev1.Pod, container string) {
	t.Helper()
	signal(t, processOf(t, pod, container), syscall.SIGKILL)
}

// halt stops a container's first process where it is, as a machine without a processor to
// spare would.
func halt(t *testing.T, pod *corev1.Pod, container string) *os.Process {
	t.Helper()
	process := processOf(t, pod, container)
	signal(t, process, syscall.SIGSTOP)
	return process
}

// resume has a halted process go on, unless kubelet has ended it meanwhile.
func resume(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("resuming process %d: %v", process.Pid, err)
	}
}

func signal(t *testing.T, process *os.Process, s os.Signal) {
	t.Helper()
	if err := process.Signal(s); err != nil {
		t.Fatalf("sending %s to process %d: %v", s, process.Pid, err)
	}
}

// processOf is a container's first process.
func processOf(t *testing.T, pod *corev1.Pod, container string) *os.Process {
	t.Helper()
	if shared.nodes == "" {
		t.Skip("a container's process is one of this machine on the local cluster only")
	}
	i := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == container })
	if i < 0 {
		t.Fatalf("pod %s has no container %s", pod.Name, container)
	}
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[i].ContainerID, "://")
	process, err := os.FindProcess(pidOf(t, id))
	if err != nil {
		t.Fatalf("finding the process of %s: %v", container, err)
	}
	return process
}

// pidOf finds the oldest process in the cgroup of a container.
func pidOf(t *testing.T, containerID string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	oldest := 0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		groups, err := os.ReadFile("/proc/" + e.Name() + "/cgroup")
		if err == nil && containerID != "" && strings.Contains(string(groups), containerID) && (oldest == 0 || pid < oldest) {
			oldest = pid
		}
	}
	if oldest == 0 {
		t.Fatalf("no process of container %q on this machine", containerID)
	}
	return oldest
}

// podsOf lists the pods of one component of a deployment.
func podsOf(t *testing.T, deployment, component string) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	err := shared.List(t.Context(), &list, client.MatchingLabels{
		"csi-operator.io/deployment": deployment, "csi-operator.io/component": component,
	})
	if err != nil {
		t.Fatalf("listing pods: %v", err)
	}
	return list.Items
}
