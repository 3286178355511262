// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs etcd, the API server, the controllers and the
// scheduler, as ordinary processes of the machine.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/csi-operator/csi-operator/hack/internal/pki"
	"github.com/csi-operator/csi-operator/hack/internal/plan"
	"github.com/csi-operator/csi-operator/hack/internal/process"
)

// Component is one process of the control plane.
type Component struct {
	Name      string
	Arguments []string
}

// Components returns the control plane in the order of starting.
func Components(paths plan.Paths) []Component {
	file := func(name string) string { return filepath.Join(paths.PKI(), name) }
	return []Component{
		{Name: "etcd", Arguments: etcd(paths, file)},
		{Name: "kube-apiserver", Arguments: apiServer(paths, file)},
		{Name: "kube-controller-manager", Arguments: controllerManager(file)},
		{Name: "kube-scheduler", Arguments: scheduler(file)},
	}
}

func etcd(paths plan.Paths, file func(string) string) []string {
	peer := "http://" + plan.EtcdAddress + ":" + strconv.Itoa(plan.EtcdPeerPort)
	return []string{
		"--name=local",
		"--data-dir=" + paths.Etcd(),
		"--listen-client-urls=" + plan.EtcdURL(),
		"--advertise-client-urls=" + plan.EtcdURL(),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=local=" + peer,
		"--client-cert-auth",
		"--trusted-ca-file=" + file(pki.CA),
		"--cert-file=" + file(pki.Etcd+".crt"),
		"--key-file=" + file(pki.Etcd+".key"),
		// A crash of the machine ends this cluster for good anyway.
		"--unsafe-no-fsync",
	}
}

func apiServer(paths plan.Paths, file func(string) string) []string {
	return []string{
		"--advertise-address=" + plan.HostAddress,
		"--bind-address=" + plan.HostAddress,
		"--secure-port=" + strconv.Itoa(plan.APIServerPort),
		"--service-cluster-ip-range=" + plan.ServicePrefix,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--audit-policy-file=" + paths.AuditPolicy(),
		"--audit-log-path=" + paths.AuditLog(),
		"--audit-log-maxsize=200", // megabytes
		"--audit-log-maxbackup=1",
		"--client-ca-file=" + file(pki.CA),
		"--tls-cert-file=" + file(pki.APIServer+".crt"),
		"--tls-private-key-file=" + file(pki.APIServer+".key"),
		"--etcd-servers=" + plan.EtcdURL(),
		"--etcd-cafile=" + file(pki.CA),
		"--etcd-certfile=" + file(pki.APIServerClient+".crt"),
		"--etcd-keyfile=" + file(pki.APIServerClient+".key"),
		"--kubelet-certificate-authority=" + file(pki.CA),
		"--kubelet-client-certificate=" + file(pki.APIServerClient+".crt"),
		"--kubelet-client-key=" + file(pki.APIServerClient+".key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + file(pki.ServiceAccountPub),
		"--service-account-signing-key-file=" + file(pki.ServiceAccount),
	}
}

func controllerManager(file func(string) string) []string {
	config := file(pki.ControllerManager + ".kubeconfig")
	return []string{
		"--kubeconfig=" + config,
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + file(pki.ServiceAccount),
		// Without it pods do not trust the API server.
		"--root-ca-file=" + file(pki.CA),
		// A node that does not answer is NotReady after this time.
		"--node-monitor-grace-period=24s",
		"--node-monitor-period=2s",
	}
}

func scheduler(file func(string) string) []string {
	config := file(pki.Scheduler + ".kubeconfig")
	return []string{"--kubeconfig=" + config, "--secure-port=0", "--leader-elect=false"}
}

// Start starts the control plane from the folder of its binaries and returns
// when the API server is ready and the rest has been started.
func Start(ctx context.Context, paths plan.Paths, binaries string) error {
	if err := writeAuditPolicy(paths); err != nil {
		return err
	}
	for _, c := range Components(paths) {
		if err := c.start(ctx, paths, binaries); err != nil {
			return err
		}
		if c.Name != pki.APIServer {
			continue
		}
		if err := awaitReady(ctx, paths); err != nil {
			return err
		}
	}
	return nil
}

func (c Component) start(ctx context.Context, paths plan.Paths, binaries string) error {
	background := context.WithoutCancel(ctx) // it outlives this process
	command := exec.CommandContext(background, filepath.Join(binaries, c.Name), c.Arguments...)
	command.Env = process.Environment(paths.State)
	command.Dir = "/"
	p, err := process.Start(command, paths.Log(c.Name))
	if err != nil {
		return err
	}
	return process.NewRecords(paths.Processes()).Write(c.Name, p)
}

// Ended returns an error that names the components that do not run any more.
func Ended(paths plan.Paths) error {
	var problems []error
	for _, c := range Components(paths) {
		_, alive, err := process.NewRecords(paths.Processes()).Read(c.Name)
		if err == nil && !alive {
			err = fmt.Errorf("%s does not run: see %q", c.Name, paths.Log(c.Name))
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
