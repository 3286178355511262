// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

const (
	// requestTimeout ends a write that hangs.
	requestTimeout = 30 * time.Second
	// A driver that says something else each second must not cost the API server
	// more than a few writes and then one in ten seconds.
	writesPerSecond = 0.1
	writesAtOnce    = 5
)

// connect returns the ConfigMaps of a namespace, in the cluster of the kubeconfig,
// or in that of this pod if there is none.
func connect(kubeconfig, namespace string) (corev1.ConfigMapInterface, error) {
	config, err := load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	config.UserAgent = "csi-inspector/" + inspect.Version
	config.Timeout = requestTimeout
	config.QPS, config.Burst = writesPerSecond, writesAtOnce
	client, err := corev1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return client.ConfigMaps(namespace), nil
}

func load(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}
