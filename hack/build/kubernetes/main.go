// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command kubernetes is etcd, the control plane, the kubelet and kubectl in one
// binary. The name it is called by selects the component, so symbolic links
// next to the binary stand in for each of them.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // CronJob time zones, in the API server and the controllers

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metrics
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubescheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// components returns what each name runs. A component returns its exit code.
func components() map[string]func() int {
	return map[string]func() int{
		"etcd":                    runEtcd,
		"kubectl":                 runKubectl,
		"kube-apiserver":          server(kubeapiserver.NewAPIServerCommand),
		"kube-controller-manager": server(kubecontrollermanager.NewControllerManagerCommand),
		"kube-scheduler":          server(func() *cobra.Command { return kubescheduler.NewSchedulerCommand() }),
		"kubelet":                 server(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	}
}

func main() {
	all := components()
	run, known := all[filepath.Base(os.Args[0])]
	if !known {
		names := strings.Join(slices.Sorted(maps.Keys(all)), ", ")
		fmt.Fprintf(os.Stderr, "%q is no component: call this binary by one of the names %s\n", os.Args[0], names)
		os.Exit(2)
	}
	os.Exit(run())
}

func server(newCommand func() *cobra.Command) func() int {
	return func() int { return cli.Run(newCommand()) }
}

// runEtcd returns only when etcd has stopped; etcd exits by itself on an error.
func runEtcd() int {
	etcdmain.Main(os.Args)
	return 0
}

func runKubectl() int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints and exits with kubectl's own code
	}
	return 0
}
