// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/csi-operator/csi-operator/hack/internal/cgroup"
	"github.com/csi-operator/csi-operator/hack/internal/mounts"
)

// initSpec is what the first process of a node's namespaces is told.
type initSpec struct {
	Hostname string  `json:"hostname"`
	Mounts   []Mount `json:"mounts"`
	// Hierarchies are those of control groups, Groups the folders of the node's
	// group in them.
	Hierarchies []mounts.Mount `json:"hierarchies"`
	Groups      []string       `json:"groups"`
}

// ready is the line that the first process writes when the node is set up.
const ready = "ready\n"

// The two stages of the first process, told by its last argument.
const (
	stageGroups = "groups"
	stageMounts = "mounts"
)

// Init is the first process of a node's namespaces. Its arguments are the file
// that holds its task and the stage. It sets the namespaces up, says so on out
// and then lives until it is killed, collecting the processes that lose their
// parents. The kernel ends all of the node's processes with it, and its mounts
// with them.
func Init(arguments []string, out io.Writer) error {
	if os.Getpid() != 1 || len(arguments) != 2 {
		return errors.New("this command is for the cluster itself: it is the first process of a node")
	}
	content, err := os.ReadFile(arguments[0])
	if err != nil {
		return fmt.Errorf("reading the node's set-up: %w", err)
	}
	var spec initSpec
	if err := json.Unmarshal(content, &spec); err != nil {
		return fmt.Errorf("reading the node's set-up: %w", err)
	}
	if arguments[1] == stageGroups {
		return spec.enterGroups(arguments[0])
	}
	if err := spec.setUp(); err != nil {
		return err
	}
	if _, err := io.WriteString(out, ready); err != nil {
		return fmt.Errorf("telling that the node is set up: %w", err)
	}
	return collect()
}

// enterGroups makes the node's control group the root of all that the node can
// see and begins the next stage. A namespace is one thread's until the program
// is executed anew.
func (s initSpec) enterGroups(file string) error {
	if err := cgroup.Join(s.Groups); err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("separating control groups: %w", err)
	}
	err := unix.Exec("/proc/self/exe", []string{os.Args[0], InitCommand, file, stageMounts}, os.Environ())
	return fmt.Errorf("beginning the next stage: %w", err)
}

func (s initSpec) setUp() error {
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	// Nothing that happens in the node may reach the machine. Each mount is
	// made while all are private, and so becomes a peer group of its own.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separating the node's mounts: %w", err)
	}
	if err := dropLoopDevices(); err != nil {
		return err
	}
	for _, m := range s.Mounts {
		if err := m.make(); err != nil {
			return fmt.Errorf("mounting %q on %q: %w", m.Source, m.Target, err)
		}
	}
	if err := cgroup.Remount(s.Hierarchies); err != nil {
		return err
	}
	if err := cgroup.Join(inNode(s.Hierarchies, initGroup)); err != nil {
		return err
	}
	if err := cgroup.EnableInRoots(s.Hierarchies); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	// Containers with Bidirectional mounts need a shared mount above them.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing the node's mounts: %w", err)
	}
	return nil
}

// dropLoopDevices unmounts the node's copies of what the machine has mounted from
// loop devices: they would keep the machine from detaching them.
func dropLoopDevices() error {
	table, err := mounts.Own()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(table) {
		if !strings.HasPrefix(m.Source, "/dev/loop") || m.Point == "/" {
			continue
		}
		if err := unix.Unmount(m.Point, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting the node's copy of %q: %w", m.Point, err)
		}
	}
	return nil
}

// inNode returns the folders of a group as the node sees them: its hierarchies
// begin at its own group.
func inNode(hierarchies []mounts.Mount, group string) []string {
	folders := make([]string, len(hierarchies))
	for i, m := range hierarchies {
		folders[i] = filepath.Join(m.Point, group)
	}
	return folders
}

func (m Mount) make() error {
	if m.Source == "" {
		return unix.Mount("tmpfs", m.Target, "tmpfs", 0, "mode=0755")
	}
	return unix.Mount(m.Source, m.Target, "", unix.MS_BIND, "")
}

// collect waits for children for ever. It fails if the kernel does.
func collect() error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD), err == nil && pid == 0:
			<-ended
		case err != nil:
			return fmt.Errorf("collecting ended processes: %w", err)
		}
	}
}
