// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

// run inspects and writes until the context ends. Its error is only that of a
// cluster that cannot be found.
func run(ctx context.Context, o options, log *slog.Logger) error {
	configMaps, err := connect(o.kubeconfig, o.namespace)
	if err != nil {
		return err
	}
	log.Info("Inspecting", "version", inspect.Version, "socket", o.csiAddress, "namespace", o.namespace, "configMap", o.configMap, "key", o.key)
	w := writer{configMaps: configMaps, name: o.configMap, backoff: retries, log: log}
	answers := make(chan inspect.Answer, 1)
	var done sync.WaitGroup
	done.Go(func() { w.run(ctx, answers) })
	inspect.New(o.csiAddress, o.key, o.patience, log).Run(ctx, func(answer inspect.Answer) { replace(answers, answer) })
	done.Wait()
	return nil
}

// replace puts an answer into a channel that holds one, in place of an older one
// that nobody took. There is one caller at a time.
func replace(answers chan inspect.Answer, answer inspect.Answer) {
	select {
	case <-answers:
	default:
	}
	answers <- answer
}
