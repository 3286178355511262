// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// await asks until check answers nil, and fails the test with its last answer.
func await(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	awaitWith(t.Context(), t, what, check)
}

// awaitWith is await for clean-up, where the test's own context has ended.
func awaitWith(ctx context.Context, t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	started := time.Now()
	var last error
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, patience, true,
		func(ctx context.Context) (bool, error) {
			last = check(ctx)
			return last == nil, nil
		})
	if err != nil {
		t.Fatalf("awaiting %s: %v; last: %v\n%s", what, err, last, situation(t))
	}
	t.Logf("%-60s %5.1fs", what, time.Since(started).Seconds())
}

// situation is what one would look at first after a failure.
func situation(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, args := range [][]string{
		{"get", "csidd", "-o", "yaml"},
		{"get", "pods,pvc", "-A", "-o", "wide"},
		{"get", "pv,volumeattachments,csinodes"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"logs", "-n", operatorNamespace, "deployment/csi-operator", "--tail=40"},
		{"logs", "-n", operatorNamespace, "-l", "app.kubernetes.io/name=csi-driver", "--all-containers", "--prefix", "--tail=15", "--max-log-requests=100"},
	} {
		fmt.Fprintf(&out, "--- kubectl %s\n", strings.Join(args, " "))
		text, err := exec.Command(shared.kubectl, args...).CombinedOutput()
		out.WriteString(tail(string(text), 12000))
		if err != nil {
			fmt.Fprintf(&out, "(%v)\n", err)
		}
	}
	return out.String()
}

func tail(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return "…" + text[len(text)-size:]
}

// gone is nil when the object does not exist any more.
func gone(ctx context.Context, obj client.Object) error {
	err := shared.Get(ctx, client.ObjectKeyFromObject(obj), obj)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%T %s still exists, finalizers %v", obj, obj.GetName(), obj.GetFinalizers())
}

// create makes an object and removes it at the end of the test.
func create(t *testing.T, obj client.Object) {
	t.Helper()
	if err := shared.Create(t.Context(), obj); err != nil {
		t.Fatalf("creating %T %s: %v", obj, obj.GetName(), err)
	}
	t.Cleanup(func() { remove(t, obj) })
}

// remove deletes an object and awaits its end. It serves clean-up too, where
// the test's own context has ended.
func remove(t *testing.T, obj client.Object) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := client.IgnoreNotFound(shared.Delete(ctx, obj, client.GracePeriodSeconds(1))); err != nil {
		t.Errorf("deleting %T %s: %v", obj, obj.GetName(), err)
		return
	}
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, patience, true,
		func(ctx context.Context) (bool, error) { return gone(ctx, obj) == nil, nil })
	if err != nil {
		t.Errorf("awaiting the end of %T %s: %v\n%s", obj, obj.GetName(), err, situation(t))
	}
}

// podExec runs a command in the workload container of a pod and returns what
// it printed.
func podExec(ctx context.Context, pod client.Object, command ...string) (string, error) {
	args := append([]string{"exec", "-n", pod.GetNamespace(), pod.GetName(), "--"}, command...)
	out, err := exec.CommandContext(ctx, shared.kubectl, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func mustPodExec(t *testing.T, pod client.Object, command ...string) string {
	t.Helper()
	out, err := podExec(t.Context(), pod, command...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
