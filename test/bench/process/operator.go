// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process runs the operator as it is shipped, as a process, and looks at
// it from outside.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long the operator may take to end.
const patience = time.Minute

// Config says how to start the operator.
type Config struct {
	// Binary is the path of csi-operator.
	Binary string
	// Kubeconfig is the path of the file by which it finds the API server.
	Kubeconfig  string
	Namespace   string
	DriverImage string
	// Log is a file that the operator's log is appended to.
	Log string
	// Token lets its metrics be read.
	Token string
}

// Operator is a running process.
type Operator struct {
	PID int

	command *exec.Cmd
	metrics string // address
	token   string
	ended   chan error
}

// Start starts the operator with the flags of config/manager and an environment of
// its own, and does not wait for it.
func Start(c Config) (*Operator, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(c.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the operator's log: %w", err)
	}
	defer log.Close()
	command := exec.Command(c.Binary, "--leader-elect", "--kubeconfig="+c.Kubeconfig, //nolint:noctx // Stop ends it in peace
		"--metrics-bind-address="+addresses[0], "--health-probe-bind-address="+addresses[1])
	command.Env = []string{"POD_NAMESPACE=" + c.Namespace, "RELATED_IMAGE_CSI_POOL_DRIVER=" + c.DriverImage}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting the operator: %w", err)
	}
	o := &Operator{PID: command.Process.Pid, command: command, metrics: addresses[0], token: c.Token, ended: make(chan error, 1)}
	go func() { o.ended <- command.Wait() }()
	return o, nil
}

// Stop asks the operator to end and waits until it has.
func (o *Operator) Stop(ctx context.Context) error {
	if err := o.command.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the operator: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case err := <-o.ended:
		if err != nil {
			return fmt.Errorf("the operator ended: %w", err)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stopping the operator: %w", ctx.Err()), o.command.Process.Kill())
	}
}

// freeAddresses are addresses of this machine that nobody listened at just now.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it waits for nothing
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
