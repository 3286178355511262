// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

// Package e2e asserts the whole flow on a real cluster with two nodes: the
// operator runs in it from its own image, and real sidecars, kubelets and
// kernels do the work. Run it by `make e2e`.
package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// operatorNamespace is where config/default puts the operator.
const operatorNamespace = "csi-operator-system"

// patience is how long a single condition is awaited. It is long because two
// cores run two nodes; nothing waits for it when all is well.
const patience = 3 * time.Minute

// cluster is what the tests share: clients, and the names of two nodes.
type cluster struct {
	client.Client
	clientset kubernetes.Interface
	nodeA     string
	nodeB     string
	kubectl   string // path of kubectl
	nodes     nodeTool
	began     time.Time
}

var shared cluster

func TestMain(m *testing.M) {
	if err := connect(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := removeShared(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: removing the shared deployment:", err)
		code = 1
	}
	os.Exit(code)
}

func connect(ctx context.Context) error {
	shared.began = time.Now()
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS = -1
	if err := v1alpha1.AddToScheme(clientgoscheme.Scheme); err != nil {
		return fmt.Errorf("registering the API: %w", err)
	}
	shared.Client, err = client.New(config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	shared.clientset, err = kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	shared.kubectl = environment("KUBECTL", "kubectl")
	shared.nodes = nodeTool(os.Getenv("LOCALCLUSTER"))
	return shared.pickNodes(ctx)
}

// pickNodes takes the first two nodes by name that are ready and take any pod.
func (c *cluster) pickNodes(ctx context.Context) error {
	var list corev1.NodeList
	if err := c.List(ctx, &list); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	var names []string
	for i := range list.Items {
		if nodeReady(&list.Items[i]) && !repels(&list.Items[i]) {
			names = append(names, list.Items[i].Name)
		}
	}
	slices.Sort(names)
	if len(names) < 2 {
		return fmt.Errorf("the flow needs two ready nodes without taints, found %v", names)
	}
	c.nodeA, c.nodeB = names[0], names[1]
	return nil
}

func nodeReady(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// repels tells whether a node takes no pod without a toleration; a cordon is such a
// taint too.
func repels(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(taint corev1.Taint) bool {
		return taint.Effect != corev1.TaintEffectPreferNoSchedule
	})
}

func environment(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
