// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// facts are what the operator is told by its flags.
var facts = desired.Facts{
	OperatorNamespace: accountNamespace,
	PoolDriverImage:   "pool.example.com/csi-pool-driver:v1.2.3",
	DriverVersion:     "v1.2.3",
}

// operator is the program as it is shipped, one process after the other. It elects
// no leader: the Lease of one that was killed would have to run out first.
type operator struct {
	t          *testing.T
	drill      *testing.T // whose end is that of all processes
	binary     string
	kubeconfig string
	runs       int
	process    *process
	before     *process // the one that was killed last
	filling    time.Duration
}

// process is one run of the operator.
type process struct {
	command *exec.Cmd
	journal *journal
	begun   time.Time
	ended   chan struct{}
}

// buildOperator compiles the operator, as `make build` does.
func buildOperator(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "csi-operator")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", binary, "./cmd/csi-operator")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, out)
	}
	return binary
}

func newOperator(t *testing.T, c *cluster) *operator {
	t.Helper()
	o := &operator{t: t, drill: t, binary: buildOperator(t), kubeconfig: c.kubeconfig(t)}
	t.Cleanup(func() {
		if o.process != nil {
			_ = o.process.command.Process.Kill() // it may have ended
			<-o.process.ended
		}
	})
	return o
}

// start starts the operator; it does not wait until it works.
func (o *operator) start() {
	o.t.Helper()
	o.runs++
	p := &process{journal: newJournal(), begun: time.Now(), ended: make(chan struct{})}
	p.command = exec.CommandContext(o.drill.Context(), o.binary,
		"--kubeconfig="+o.kubeconfig,
		"--namespace="+facts.OperatorNamespace,
		"--pool-driver-image="+facts.PoolDriverImage,
		"--metrics-bind-address=0",
		"--health-probe-bind-address=0",
	)
	p.command.Stderr = p.journal
	if err := p.command.Start(); err != nil {
		o.t.Fatalf("starting the operator: %v", err)
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // kill looks at the state
	}()
	o.process = p
}

// awaitWork waits until the caches are full and the workers run, and remembers how
// long that took.
func (o *operator) awaitWork() {
	o.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-o.process.journal.working:
		o.filling = o.process.journal.workingAt.Sub(o.process.begun)
	case <-o.process.ended:
		o.t.Fatalf("the operator ended by itself: %s", o.process.command.ProcessState)
	case <-timer.C:
		o.t.Fatalf("the operator does not work %s after its start", patience)
	}
}

// works tells whether the operator has got as far as awaitWork waits for.
func (o *operator) works() bool {
	select {
	case <-o.process.journal.working:
		return true
	default:
		return false
	}
}

// kill sends SIGKILL and waits for the end. It is an error if the operator has ended
// already, or has panicked.
func (o *operator) kill() error {
	p := o.process
	select {
	case <-p.ended:
		return fmt.Errorf("the operator ended by itself: %s", p.command.ProcessState)
	default:
	}
	if err := p.command.Process.Kill(); err != nil {
		return fmt.Errorf("killing the operator: %w", err)
	}
	<-p.ended
	o.before, o.process = p, nil
	if status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("the operator ended by itself: %s", p.command.ProcessState)
	}
	if p.journal.has("panic") {
		return errors.New("the operator panicked, see its log")
	}
	return nil
}

// logs is the end of the logs of the last two runs.
func (o *operator) logs() string {
	text := ""
	for _, p := range []*process{o.before, o.process} {
		if p != nil {
			text += fmt.Sprintf("--- the end of the log of the operator that was started at %s\n%s", p.begun.Format(time.StampMilli), p.journal.tail())
		}
	}
	return text
}
