// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

const (
	// dataKey is where the ConfigMap holds the answer.
	dataKey      = "answer.json"
	fieldManager = "csi-inspector"
)

// retries are the pauses after failed writes.
var retries = wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Cap: 30 * time.Second, Steps: math.MaxInt}

// writer patches one ConfigMap, which the operator made.
type writer struct {
	configMaps corev1.ConfigMapInterface
	name       string
	backoff    wait.Backoff
	log        *slog.Logger
}

// run writes answers as they come, until the context ends.
func (w writer) run(ctx context.Context, answers <-chan inspect.Answer) {
	for {
		select {
		case answer := <-answers:
			w.write(ctx, answer, answers)
		case <-ctx.Done():
			return
		}
	}
}

// write tries until the answer, or a newer one, is written, or the context ends.
// No failure is final: the operator may make the ConfigMap, or the right to write
// it, later.
func (w writer) write(ctx context.Context, answer inspect.Answer, newer <-chan inspect.Answer) {
	err := w.backoff.DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		select {
		case answer = <-newer:
		default:
		}
		if err := w.patch(ctx, answer); err != nil {
			w.log.Warn("Cannot write the answer yet", "configMap", w.name, "error", err)
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		w.log.Info("Stopped before the answer was written", "configMap", w.name)
		return
	}
	w.log.Info("Wrote the answer", "configMap", w.name)
}

func (w writer) patch(ctx context.Context, answer inspect.Answer) error {
	encoded, err := answer.Encode()
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]string{dataKey: string(encoded)}})
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}
	if _, err := w.configMaps.Patch(ctx, w.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager}); err != nil {
		return fmt.Errorf("patching ConfigMap %q: %w", w.name, err)
	}
	return nil
}
